// The Gitspace that a newcomer opens first: `hello`, on the sample repository.
import { readSecret } from "@gitspaces/daemon";
import type { ControlPlane } from "./control-plane.ts";

export type OpenGitspace = { id: string; url: string; sign_in_url: string };

/** Makes `hello` if there is none, starts it if it does not run, and gives a link that opens it. */
export async function openHello(
  controlPlane: ControlPlane,
  sample: { url: string; tokenFile: string },
): Promise<OpenGitspace> {
  const known = (await controlPlane.list()).find((gitspace) => gitspace.name === "hello");
  const hello =
    known ??
    (await controlPlane.create({
      name: "hello",
      code_repo_url: sample.url,
      code_repo_token: readSecret(sample.tokenFile),
    }));
  if (["uninitialized", "stopped", "error"].includes(hello.state)) await controlPlane.start(hello.identifier);
  const { identifier, url } = await controlPlane.waitUntilRunning(hello.identifier);
  return { id: identifier, url, sign_in_url: await controlPlane.signInLink(identifier) };
}
