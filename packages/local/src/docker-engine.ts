// The machine's Docker engine, as far as the launcher needs it: one request at a time over its Unix socket.
import { request } from "node:http";
import { FailureError, fail } from "@gitspaces/contracts";

export type DockerEngine = {
  /** Where it listens, as DOCKER_HOST has it. */
  readonly host: string;
  /** @throws {FailureError} with the engine's own words for every status of 400 and above. */
  call(method: string, path: string, body?: object): Promise<unknown>;
};

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const ANSWER_MS = 60_000;
const PING_MS = 5_000;

/**
 * Finds the engine that DOCKER_HOST names, else the machine's own.
 * @throws {FailureError} `unsupported`, saying how to get one, when none answers.
 */
export async function findEngine(env: NodeJS.ProcessEnv): Promise<DockerEngine> {
  const given = env["DOCKER_HOST"] ?? "";
  const host = given === "" ? DEFAULT_HOST : given;
  if (!host.startsWith("unix:///")) {
    throw fail(
      "unsupported",
      `DOCKER_HOST is ${host}; VMs need an engine on this machine, by its socket, such as DOCKER_HOST=${DEFAULT_HOST}.`,
      { field: "DOCKER_HOST" },
    );
  }
  const socketPath = host.slice("unix://".length);
  try {
    await ask(socketPath, "GET", "/_ping", undefined, PING_MS);
  } catch (cause) {
    throw noAnswer(host, cause as Error);
  }
  return {
    host,
    async call(method, path, body) {
      const { status, text } = await ask(socketPath, method, path, body, ANSWER_MS);
      if (status >= 400) throw refused(status, text);
      return text === "" ? undefined : readJson(text);
    },
  };
}

function noAnswer(host: string, cause: Error): FailureError {
  const { code } = cause as NodeJS.ErrnoException;
  const cure =
    code === "EACCES"
      ? "This user may not use it: run bin/up as root or join the group docker."
      : "Install one (as root on Debian: apt-get install docker.io), start it, or name its socket in DOCKER_HOST.";
  return fail("unsupported", `No Docker engine answers on ${host} (${code ?? cause.message}). ${cure}`, {
    field: "DOCKER_HOST",
    cause,
  });
}

function refused(status: number, text: string): FailureError {
  const { message } = (readJson(text) ?? {}) as { message?: string };
  const code = status === 404 ? "not_found" : status === 409 ? "conflict" : "internal";
  return fail(code, `The Docker engine answered ${status}: ${message ?? text.slice(0, 300)}`);
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Answer = { status: number; text: string };

function ask(socketPath: string, method: string, path: string, body: object | undefined, ms: number): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { host: "engine", ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const asking = request({ socketPath, method, path, headers, signal: AbortSignal.timeout(ms) }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    response.once("end", () => resolve({ status: response.statusCode ?? 0, text })).once("error", reject);
  });
  asking.once("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
