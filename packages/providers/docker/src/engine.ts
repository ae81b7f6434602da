// The Docker engine, through dockerode's connection: every answer is read by a schema and every call ends in time.
import { once } from "node:events";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import Docker from "dockerode";
import { z } from "zod";
import { EngineError } from "./engine-error.ts";

/** The longest that one call may take, in milliseconds; whole operations have the deadline of their caller. */
const CALL_MS = 60_000;

type Given = {
  signal: AbortSignal;
  query?: Record<string, string | number | boolean>;
  body?: object;
  /** A tar archive. */
  archive?: Buffer | NodeJS.ReadableStream;
};

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "DELETE";

export type Engine = ReturnType<typeof engineAt>;

/** The engine behind a Unix socket. Nothing is asked yet. */
export function engineAt(socketPath: string) {
  // Everything is named, so that no DOCKER_* variable of this process has a say.
  const docker = new Docker({
    socketPath,
    protocol: "http",
    host: undefined,
    timeout: undefined,
  });

  /** Sends a request and gives its answer unread. @throws {EngineError} with the engine's own words. */
  async function send(method: Method, path: string, given: Given, asStream = false): Promise<unknown> {
    const { signal, query = {}, body = {}, archive } = given;
    signal.throwIfAborted();
    const within = asStream ? signal : AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]);
    return await new Promise((resolve, reject) => {
      docker.modem.dial(
        {
          method,
          path: `${path}?`,
          options: { _query: query, _body: body },
          ...(archive === undefined ? {} : { file: archive }),
          abortSignal: within,
          isStream: asStream,
          statusCodes: { 200: true, 201: true, 204: true, 304: true },
        },
        (error: unknown, answer: unknown) => {
          if (error === null || error === undefined) resolve(answer);
          else reject(within.aborted ? (within.reason as Error) : EngineError.of(error, socketPath));
        },
      );
    });
  }

  return {
    socketPath,
    /** Asks, and reads the answer. @throws {EngineError} */
    async ask<S extends z.ZodType>(schema: S, method: Method, path: string, given: Given): Promise<z.infer<S>> {
      return schema.parse(await send(method, path, given));
    },
    /** Has something done whose answer says nothing. @throws {EngineError} */
    async tell(method: Method, path: string, given: Given): Promise<void> {
      await send(method, path, given);
    },
    /** The same, where one of these statuses means that there is nothing (more) to do; says whether it was done. */
    async tellUnless(statuses: readonly number[], method: Method, path: string, given: Given): Promise<boolean> {
      try {
        await send(method, path, given);
        return true;
      } catch (error) {
        if (error instanceof EngineError && statuses.includes(error.status)) return false;
        throw error;
      }
    },
    /** What the answer's body holds, as bytes. */
    async bytes(method: Method, path: string, given: Given): Promise<Buffer> {
      const answer = await send(method, path, given);
      return Buffer.isBuffer(answer)
        ? answer
        : Buffer.from(typeof answer === "string" ? answer : JSON.stringify(answer));
    },
    /** Runs a prepared exec with this input to its end. */
    async feed(exec: string, input: NodeJS.ReadableStream, signal: AbortSignal): Promise<void> {
      const socket = await docker.getExec(exec).start({ hijack: true, stdin: true, abortSignal: signal });
      socket.resume();
      await Promise.all([once(socket, "end", { signal }), pipeline(input, socket, { signal })]);
    },
    /** An answer as it comes. `signal` ends it, with an error for whoever reads. */
    async stream(method: Method, path: string, given: Given): Promise<Readable> {
      const answer = (await send(method, path, given, true)) as Readable;
      // It may break before anybody reads it.
      return answer.on("error", () => undefined);
    },
  };
}

/** The engine's form of a filter. */
export function filters(wanted: Record<string, string[]>): { filters: string } {
  return { filters: JSON.stringify(wanted) };
}
