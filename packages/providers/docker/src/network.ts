// The bridge network that an installation's VMs share.
import { fail } from "@gitspaces/contracts";
import { z } from "zod";
import { type Engine, filters } from "./engine.ts";
import { type Names, mark } from "./names.ts";

const Found = z.array(z.looseObject({ Id: z.string(), Name: z.string(), Created: z.string(), Driver: z.string() }));

/**
 * The id of the network, which is made when there is none. Of two that were made at once the older is used by everybody.
 * @throws {FailureError} `bad_request` when a network of this name is of a kind that VMs cannot use.
 */
export async function ensureNetwork(engine: Engine, names: Names, name: string, signal: AbortSignal): Promise<string> {
  const found = await find(engine, name, signal);
  if (found !== undefined) return found;
  const body = {
    Name: name,
    Driver: "bridge",
    CheckDuplicate: true,
    EnableIPv6: false,
    Labels: { [mark.installation]: names.installation, [mark.kind]: "network" },
  };
  await engine.tellUnless([409], "POST", "/networks/create", { body, signal });
  const made = await find(engine, name, signal);
  if (made === undefined) throw fail("internal", `The Docker network ${name} vanished while it was made.`);
  return made;
}

async function find(engine: Engine, name: string, signal: AbortSignal): Promise<string | undefined> {
  const found = await engine.ask(Found, "GET", "/networks", { query: filters({ name: [name] }), signal });
  const [first] = found
    .filter((each) => each.Name === name)
    .toSorted((a, b) => a.Created.localeCompare(b.Created) || a.Id.localeCompare(b.Id));
  if (first !== undefined && first.Driver !== "bridge" && first.Driver !== "overlay") {
    throw fail(
      "bad_request",
      `GITSPACES_DOCKER_NETWORK (dockerNetwork) is "${name}", a network of the driver ${first.Driver}; it should be a bridge.`,
      { field: "dockerNetwork" },
    );
  }
  return first?.Id;
}
