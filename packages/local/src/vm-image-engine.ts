// What building images needs of a Docker engine: look, pull, build, name. Over its socket, so that no client is needed.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fail } from "@gitspaces/contracts";

export type Build = {
  context: Readable;
  dockerfile: string;
  tag: string;
  args: Record<string, string>;
  /** `share` is the part of the steps that are done, 0 to 1. */
  onStep: (share: number) => void;
  signal: AbortSignal;
};

const ANSWER_MS = 60_000;
const BUILD_MS = 30 * 60_000;
const TOLD_LINES = 12;

export class ImageEngine {
  readonly #socketPath: string;

  /** `host` as DOCKER_HOST has it. */
  constructor(host: string) {
    if (!host.startsWith("unix:///"))
      throw fail("unsupported", `${host} is no engine's socket; images are built by one on this machine.`, {
        field: "DOCKER_HOST",
      });
    this.#socketPath = host.slice("unix://".length);
  }

  /** The id of an image the engine has. */
  async imageId(name: string, signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#ask("GET", `/images/${name}/json`, signal);
    if (answer.statusCode === 404) return void answer.resume();
    return ((await json(answer, `look at ${name}`)) as { Id: string }).Id;
  }

  /** @throws {FailureError} `not_found` when no registry in reach has it. */
  async pull(name: string, signal: AbortSignal): Promise<void> {
    const [repository, tag = "latest"] = splitTag(name);
    const query = new URLSearchParams({ fromImage: repository, tag });
    const answer = await this.#ask(
      "POST",
      `/images/create?${query.toString()}`,
      AbortSignal.any([signal, after(BUILD_MS)]),
    );
    await followed(answer, `pull ${name}`, () => {});
  }

  /** @throws {FailureError} `internal` with the last lines of the build. */
  async build({ context, dockerfile, tag, args, onStep, signal }: Build): Promise<void> {
    const query = new URLSearchParams({ dockerfile, t: tag, buildargs: JSON.stringify(args), rm: "1", forcerm: "1" });
    const limit = AbortSignal.any([signal, after(BUILD_MS)]);
    const asking = this.#request("POST", `/build?${query.toString()}`, limit, { "content-type": "application/x-tar" });
    const answered = once(asking, "response") as Promise<[IncomingMessage]>;
    // An engine that refuses answers before it read everything; what it says is the cause then.
    const sent = pipeline(context, asking).catch((error: unknown) => error as Error);
    const [answer] = await Promise.race([
      answered,
      sent.then(async (error) => (error === undefined ? await answered : Promise.reject(error))),
    ]);
    await followed(answer, `build ${tag}`, (line) => {
      const step = /^Step (\d+)\/(\d+)/.exec(line);
      if (step !== null) onStep((Number(step[1]) - 1) / Number(step[2]));
    });
    const unsent = await sent;
    if (unsent !== undefined) throw unsent;
  }

  /** Lets `alias` be a further name of the image `name`. */
  async tag(name: string, alias: string, signal: AbortSignal): Promise<void> {
    const [repo, tag = "latest"] = splitTag(alias);
    const query = new URLSearchParams({ repo, tag });
    await json(await this.#ask("POST", `/images/${name}/tag?${query.toString()}`, signal), `name ${name} ${alias}`);
  }

  /**
   * Removes all but the newest images of this name; those that a container stands on stay too, and so does `built`: one whose
   * layers were all there already is as old as they are.
   */
  async keepNewest(name: string, count: number, built: string, signal: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ filters: JSON.stringify({ reference: [name] }) });
    const answer = await this.#ask("GET", `/images/json?${query.toString()}`, signal);
    const known = (await json(answer, `list ${name}`)) as { Created: number; RepoTags: string[] | null }[];
    const old = known.toSorted((a, b) => b.Created - a.Created).slice(count);
    for (const tag of old.flatMap(({ RepoTags }) => RepoTags ?? []).filter((each) => each !== built)) {
      // In use, or gone by now: either is as it should be.
      (await this.#ask("DELETE", `/images/${tag}`, signal)).resume();
    }
  }

  async #ask(method: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const asking = this.#request(method, path, AbortSignal.any([signal, after(ANSWER_MS)]), {});
    asking.end();
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    return answer;
  }

  #request(method: string, path: string, signal: AbortSignal, headers: Record<string, string>) {
    const asking = request({
      socketPath: this.#socketPath,
      method,
      path,
      signal,
      headers: { host: "engine", ...headers },
    });
    // Whoever waits for the answer hears of it; one that comes later has no other listener.
    asking.on("error", () => {});
    return asking;
  }
}

const after = (ms: number) => AbortSignal.timeout(ms);

function splitTag(name: string): [string, string?] {
  const at = name.lastIndexOf(":");
  return at > name.lastIndexOf("/") ? [name.slice(0, at), name.slice(at + 1)] : [name];
}

async function json(answer: IncomingMessage, what: string): Promise<unknown> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += chunk as string;
  if ((answer.statusCode ?? 500) >= 400) throw refused(what, answer.statusCode, text);
  return text === "" ? undefined : JSON.parse(text);
}

/** Reads what the engine tells while it works, one JSON object a line, to the end. */
async function followed(answer: IncomingMessage, what: string, onLine: (line: string) => void): Promise<void> {
  if ((answer.statusCode ?? 500) >= 400) return void (await json(answer, what));
  const last: string[] = [];
  for await (const text of createInterface({ input: answer })) {
    if (text.trim() === "") continue;
    const { stream, error } = JSON.parse(text) as { stream?: string; error?: string };
    if (error !== undefined)
      throw fail("internal", `The Docker engine could not ${what}: ${error}\n${last.join("\n")}`.trim());
    for (const line of stream?.split("\n") ?? []) {
      if (line.trim() === "") continue;
      last.push(line.slice(0, 300));
      if (last.length > TOLD_LINES) last.shift();
      onLine(line);
    }
  }
}

function refused(what: string, status: number | undefined, text: string): Error {
  let message = text.slice(0, 300);
  try {
    message = (JSON.parse(text) as { message: string }).message;
  } catch {
    // Not the engine's own words, then; a proxy's perhaps.
  }
  return fail(status === 404 ? "not_found" : "internal", `The Docker engine would not ${what} (${status}): ${message}`);
}
