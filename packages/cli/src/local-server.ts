// The local installation that `bin/up` runs, found by the `up.json` it leaves in its data folder.
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fail } from "@gitspaces/contracts";
import { z } from "zod";
import type { Server } from "./http.ts";
import { readToken } from "./token-file.ts";

/** Where the command runs: its environment and its working folder. */
export type Surroundings = { env: NodeJS.ProcessEnv; folder: string };

const UpFile = z.object({ ui: z.url({ protocol: /^https?$/ }), admin_token_file: z.string() });
const checkout = resolve(import.meta.dirname, "../../..");

/** The local control plane: `GITSPACES_DATA_FOLDER`, else the nearest `.data` from here upwards, else the one of this checkout. */
export function findLocalServer({ env, folder }: Surroundings): Server | undefined {
  const named = env["GITSPACES_DATA_FOLDER"];
  const folders =
    named === undefined ? [...upwards(folder), checkout].map((each) => join(each, ".data")) : [resolve(folder, named)];
  for (const data of folders) {
    const path = join(data, "up.json");
    const content = readIfThere(path);
    if (content !== undefined) return readUpFile(path, content);
  }
  if (named === undefined) return undefined;
  throw fail(
    "bad_request",
    `GITSPACES_DATA_FOLDER is ${named}, and there is no up.json in it. Start it with: bin/up --data ${named}`,
  );
}

/** A repository somebody else wrote may hold an `up.json` too: it must not send a file of this person to an address of its choice. */
function readUpFile(path: string, content: string): Server {
  const refuse = (why: string): Error =>
    fail("bad_request", `${path} is not used: ${why}. Sign in with: gitspaces login --url URL`);
  let up: z.infer<typeof UpFile>;
  try {
    up = UpFile.parse(JSON.parse(content));
  } catch {
    throw refuse("it is not a file of bin/up");
  }
  if (!/^(.+\.)?localhost$|^127(\.\d+){3}$|^\[::1\]$/.test(new URL(up.ui).hostname))
    throw refuse("its address is not on this machine");
  const tokenFile = resolve(dirname(path), up.admin_token_file);
  let inside: boolean;
  try {
    inside = realpathSync(tokenFile).startsWith(realpathSync(dirname(path)) + sep);
  } catch {
    throw refuse(`its token file ${tokenFile} is not there`);
  }
  if (!inside) throw refuse("its token file is outside its folder");
  return { url: up.ui.replace(/\/+$/, ""), token: readToken(tokenFile), from: path };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function upwards(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...upwards(parent)];
}
