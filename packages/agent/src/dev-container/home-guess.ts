// Where the remote user's home will be, before there is a container to ask: the home volume is mounted when it is created.
import type { Engine } from "./engine.ts";
import type { Plan } from "./preparation.ts";

/** By the rules of the specification and the custom of images. A wrong guess costs a second container, no hook. */
export async function guessHome(engine: Engine, plan: Plan, signal: AbortSignal): Promise<string> {
  const { configuration, compose, dockerfileUser } = plan;
  const { remoteUser, containerUser, service, image } = configuration;
  const named = remoteUser ?? containerUser;
  if (named !== undefined) return homeOf(named);
  const ofService = compose?.services?.[service ?? ""] ?? {};
  const known = image ?? ofService["image"];
  const ofImage = typeof known === "string" ? await userOfImage(engine, known, signal) : undefined;
  const user = ofService["user"] ?? dockerfileUser ?? ofImage;
  return homeOf(typeof user === "string" ? user : "root");
}

async function userOfImage(engine: Engine, image: string, signal: AbortSignal): Promise<string | undefined> {
  const format = `{{.Config.User}}\t{{index .Config.Labels "devcontainer.metadata"}}`;
  const { code, output } = await engine.docker(["image", "inspect", "--format", format, "--", image], { signal });
  if (code !== 0) return undefined;
  const [user = "", label = ""] = output.join("\n").split("\t");
  return remoteUserOf(label) ?? (user === "" ? undefined : user);
}

/** The last of the entries that an image's label holds has the word. */
function remoteUserOf(label: string): string | undefined {
  try {
    const value: unknown = JSON.parse(label);
    const users = [value].flat().map((entry) => (entry as { remoteUser?: unknown } | null)?.remoteUser);
    return users.findLast((each) => typeof each === "string");
  } catch {
    return undefined;
  }
}

function homeOf(user: string): string {
  const [name = "root"] = user.split(":");
  return name === "root" || name === "0" || name === "" ? "/root" : `/home/${name}`;
}
