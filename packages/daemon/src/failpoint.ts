// Failpoints: named places where a test ends, stops or fails this process. A process that was not started for it has none.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";

/** `kill`: SIGKILL, as power loss would. `stop`: SIGSTOP, as a long pause would. `error`: the call fails. */
const actions = ["kill", "stop", "error"] as const;
type Action = (typeof actions)[number];
const PASSED = "passed";
type Armed = (name: string) => Action | undefined;

/**
 * What is armed by the environment. `GITSPACES_FAILPOINT=runner.afterReserve:kill` acts each time the place is passed.
 * `GITSPACES_FAILPOINT_FOLDER` names a folder: a file in it named as the failpoint, with the action as its text, acts once; its
 * text is then `passed`. A file `trace` in it takes the names of all that are passed. @throws {FailureError} `bad_request` for an action that does not exist, or in production.
 */
export function readFailpoints(env: NodeJS.ProcessEnv): Armed | undefined {
  const { GITSPACES_FAILPOINT: one, GITSPACES_FAILPOINT_FOLDER: folder, NODE_ENV } = env;
  if (!one && !folder) return undefined;
  if (NODE_ENV === "production") {
    throw fail("bad_request", "Failpoints are for tests. Unset GITSPACES_FAILPOINT and GITSPACES_FAILPOINT_FOLDER.", {
      field: "GITSPACES_FAILPOINT",
    });
  }
  const [always, action = "kill"] = one?.split(":") ?? [];
  if (always !== undefined) checked(action);
  return (name) => {
    if (name === always) return checked(action);
    if (!folder) return undefined;
    const trace = join(folder, "trace");
    if (existsSync(trace)) appendFileSync(trace, `${name}\n`);
    return take(join(folder, name));
  };
}

function take(file: string): Action | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8").trim();
  if (text === PASSED) return undefined;
  const action = checked(text);
  // Written, not renamed: whoever armed it may hold another link to the file.
  writeFileSync(file, PASSED);
  return action;
}

function checked(text: string): Action {
  const action = actions.find((each) => each === text);
  if (action !== undefined) return action;
  throw fail("bad_request", `A failpoint's action is ${actions.join(", ")}; "${text}" is none.`, {
    field: "GITSPACES_FAILPOINT",
  });
}

// In production a daemon refuses to start with one; `runDaemon` says so.
const armed = process.env["NODE_ENV"] === "production" ? undefined : readFailpoints(process.env);

/** Passes the place of this name, unless a test has armed it. */
export function failpoint(name: string): void {
  const action = armed?.(name);
  if (action === undefined) return;
  if (action === "error") throw new Error(`the failpoint ${name} failed`);
  process.kill(process.pid, action === "kill" ? "SIGKILL" : "SIGSTOP");
}

/** Names of the points at a port: method → the part of the name after `before` or `after`. */
export type PointNames<T> = { [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]?: string };

/**
 * The same port with a failpoint before and after each named method: `{ reserve: "Reserve" }` in the runner gives
 * `runner.beforeReserve` and `runner.afterReserve`. Where nothing is armed it is the port itself.
 */
export function withFailpoints<T extends object>(daemon: string, port: T, names: PointNames<T>): T {
  if (armed === undefined) return port;
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const call = value as (...args: unknown[]) => unknown;
      const name = (names as Record<string | symbol, string | undefined>)[key];
      return (...args: unknown[]) => {
        if (name !== undefined) failpoint(`${daemon}.before${name}`);
        const result = call.apply(target, args);
        if (name === undefined) return result;
        if (!(result instanceof Promise)) {
          failpoint(`${daemon}.after${name}`);
          return result;
        }
        return result.then((settled: unknown) => {
          failpoint(`${daemon}.after${name}`);
          return settled;
        });
      };
    },
  });
}
