// The only way between the machines of a test: a container on each of their networks that lets through what was opened.
import { join } from "node:path";
import { docker } from "./engine.ts";

/** `to` is a machine's name; from its own network `from` reaches it under this name, at this port, and ends at `container`. */
export type Opening = { from: string; to: string; port: number; container: string };

/** Opens exactly these. `networks` are the machines' networks by machine. */
export async function openFirewall(
  name: string,
  image: string,
  networks: Record<string, string>,
  openings: Opening[],
): Promise<AsyncDisposable> {
  const program = join(import.meta.dirname, "forwarder.ts");
  const run = ["run", "--detach", "--init", "--name", name, "--volume", `${program}:/forwarder.ts:ro`];
  await docker(...run, "--network", "none", "--entrypoint", "sleep", image, "infinity");
  const remove = { [Symbol.asyncDispose]: async () => void (await docker("rm", "--force", name)) };
  try {
    // A container without a network takes others only after it has left that one.
    await docker("network", "disconnect", "none", name);
    const addresses: Record<string, string> = {};
    for (const [machine, network] of Object.entries(networks)) {
      const others = [...new Set(openings.filter(({ from }) => from === machine).map(({ to }) => to))];
      await docker("network", "connect", ...others.flatMap((other) => ["--alias", other]), network, name);
      addresses[machine] = await addressOf(name, network);
    }
    const rules = openings.map(async ({ from, to, port, container }) => {
      const target = await addressOf(container, networks[to] ?? "");
      return `${addresses[from]}:${port}=${target}`;
    });
    await docker("exec", "--detach", name, "node", "/forwarder.ts", ...(await Promise.all(rules)));
    return remove;
  } catch (error) {
    await remove[Symbol.asyncDispose]();
    throw error;
  }
}

/** A container's address on a network. */
export async function addressOf(container: string, network: string): Promise<string> {
  const networks = JSON.parse(
    await docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container),
  ) as Record<string, { IPAddress: string }>;
  return networks[network]?.IPAddress ?? "";
}
