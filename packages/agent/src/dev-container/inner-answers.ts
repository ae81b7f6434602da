// What the inner door answers to programs of the dev container, and git of the person prepared to knock there.
import { join } from "node:path";
import { answerGit } from "../git-door.ts";
import { givenByStart, openGitBroker } from "../git-broker.ts";
import type { House } from "../house.ts";
import type { Work } from "../work.ts";
import type { Wanted } from "../workplace.ts";
import type { Container } from "./container.ts";
import { containerPorts } from "./container-ports.ts";
import type { Engine } from "./engine.ts";
import { prepareGitInside } from "./git-inside.ts";
import type { DoorAnswers } from "./inner-door.ts";
import { INSIDE, type InsideFolder } from "./inside-folder.ts";
import { nodeInside } from "./node-inside.ts";

type Asked = { house: Pick<House, "journal" | "identities" | "log">; present: () => Container | undefined };

/** The answers for whichever container is present. */
export function innerAnswers({ house, present }: Asked): DoorAnswers {
  const broker = openGitBroker({ given: async () => await givenByStart(house), log: house.log });
  return {
    ports() {
      const container = present();
      return container === undefined ? [] : containerPorts(container).map((port) => labelled(container, port));
    },
    env: () => present()?.env ?? {},
    git: async (path, body) => await answerGit(broker, path, body),
  };
}

function labelled({ portsAttributes }: Container, port: number): { port: number; label?: string } {
  const label = portsAttributes[String(port)]?.["label"];
  return typeof label === "string" ? { port, label } : { port };
}

/** Makes git inside the container ready for who the work is for. */
export async function prepareGit(
  work: Work,
  { secrets }: Wanted,
  { engine, inside, container }: { engine: Engine; inside: InsideFolder; container: Container },
): Promise<void> {
  const folder = { here: join(inside.tools, "git"), inside: "/opt/gitspaces/git" };
  // Where none can run, the programs do with what the image has.
  const found = await nodeInside({ engine, inside, container }).catch(() => undefined);
  await prepareGitInside(work, secrets, { engine, container, folder, door: INSIDE.door, node: found?.node });
}
