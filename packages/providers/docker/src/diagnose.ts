// Why a VM did not come up: the engine's word on its container and the end of what it printed.
import { z } from "zod";
import type { Engine } from "./engine.ts";
import { isStatus } from "./engine-error.ts";

const LINES = 200;
const Inspected = z.looseObject({
  RestartCount: z.int(),
  State: z.looseObject({
    Status: z.string(),
    ExitCode: z.int(),
    OOMKilled: z.boolean(),
    Error: z.string(),
  }),
});

/** State and last output of a container; empty when there is none. */
export async function diagnose(engine: Engine, container: string, signal: AbortSignal): Promise<string> {
  try {
    const { State, RestartCount } = await engine.ask(Inspected, "GET", `/containers/${container}/json`, { signal });
    const { Status, ExitCode, OOMKilled, Error: reason } = State;
    const query = { stdout: true, stderr: true, tail: LINES };
    const output = await engine.bytes("GET", `/containers/${container}/logs`, { query, signal });
    const facts = [
      `container ${Status}`,
      ...(Status === "running" ? [] : [`exit code ${ExitCode}`]),
      ...(OOMKilled ? ["killed for lack of memory"] : []),
      ...(RestartCount > 0 ? [`restarted ${RestartCount} times`] : []),
      ...(reason === "" ? [] : [reason]),
    ];
    return `${facts.join(", ")}\n${textOf(output)}`;
  } catch (error) {
    if (isStatus(error, 404)) return "";
    throw error;
  }
}

/** The text in the engine's stream: frames of a type, three empty bytes, a length and so many bytes. */
export function textOf(output: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= output.length) {
    const length = output.readUInt32BE(at + 4);
    parts.push(output.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString("utf8");
}
