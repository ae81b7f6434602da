// The command line as somebody has it who was told an address and given a token in a file.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { checkout, type System } from "./system.ts";

export type Ran = { code: number; out: string; err: string };

/** Runs `gitspaces` for the person whose home folder this is, as the administrator unless told otherwise. */
export function commandLine(system: System, home: string) {
  return (args: string[], tokenFile = system.up.admin_token_file): Promise<Ran> => {
    const env = {
      PATH: process.env["PATH"],
      HOME: home,
      GITSPACES_URL: system.ready.ui,
      GITSPACES_TOKEN_FILE: tokenFile,
    };
    return new Promise((resolve) => {
      execFile(join(checkout, "bin/gitspaces"), args, { env, timeout: 60_000 }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  };
}
