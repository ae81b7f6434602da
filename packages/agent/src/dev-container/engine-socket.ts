// Whether a Docker engine answers: one small question on its socket, without a program of its own.
import { request } from "node:http";
import { fail } from "@gitspaces/contracts";

const PING_DEADLINE_MS = 2_000;

/** The path of the socket in `unix:///path`. @throws {FailureError} `bad_request` for any other kind of address. */
export function socketOf(host: string): string {
  const [, path] = /^unix:\/\/(\/.+)$/.exec(host) ?? [];
  if (path !== undefined) return path;
  throw fail(
    "bad_request",
    `DOCKER_HOST is ${host}; a workplace with dev containers needs unix:///path/of/the/socket.`,
    {
      field: "DOCKER_HOST",
    },
  );
}

/** True when the engine at `host` answers within two seconds. */
export async function answersPing(host: string): Promise<boolean> {
  const signal = AbortSignal.timeout(PING_DEADLINE_MS);
  return await new Promise((resolve) => {
    const options = { socketPath: socketOf(host), path: "/_ping", signal, agent: false, headers: { host: "engine" } };
    const asking = request(options, (response) => {
      response.resume();
      response.once("close", () => resolve(response.statusCode === 200));
    });
    asking.once("error", () => resolve(false));
    asking.end();
  });
}
