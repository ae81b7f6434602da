// Which control plane this command talks to, and as whom: the environment first, then the signed-in one, then the local one.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fail, parse } from "@gitspaces/contracts";
import { z } from "zod";
import type { Server } from "./http.ts";
import { findLocalServer, type Surroundings } from "./local-server.ts";
import { readToken } from "./token-file.ts";

const ControlPlaneUrl = z.url({ protocol: /^https?$/, error: "should be the http or https URL of a control plane" });
const Profile = z.object({ url: ControlPlaneUrl, token: z.string().min(1) });

/** The control plane to use. @throws {FailureError} `denied` with what to do when there is none, `bad_request` when half is given. */
export function findServer(around: Surroundings): Server {
  const { env } = around;
  const url = env["GITSPACES_URL"];
  const tokenFile = env["GITSPACES_TOKEN_FILE"];
  if ((url === undefined) !== (tokenFile === undefined)) {
    // A token goes only to the address it was given with.
    const [given, missing] = url === undefined ? ["TOKEN_FILE", "URL"] : ["URL", "TOKEN_FILE"];
    throw fail("bad_request", `GITSPACES_${given} is set and GITSPACES_${missing} is not. Set both, or neither.`);
  }
  if (url !== undefined && tokenFile !== undefined) {
    return {
      url: parse(ControlPlaneUrl, url, "GITSPACES_URL"),
      token: readToken(tokenFile),
      from: "GITSPACES_TOKEN_FILE",
    };
  }
  const found =
    env["GITSPACES_DATA_FOLDER"] === undefined
      ? (readProfile(env) ?? findLocalServer(around))
      : findLocalServer(around);
  if (found !== undefined) return found;
  throw fail("denied", "Not signed in. Use: gitspaces login --url URL (or start a local installation with bin/up).");
}

/** The address to sign in at when none is given: the one signed in at before, or the local one. */
export function usualUrl(around: Surroundings): string {
  const found = around.env["GITSPACES_URL"] ?? readProfile(around.env)?.url ?? findLocalServer(around)?.url;
  if (found === undefined) throw fail("bad_request", "Say where to sign in: gitspaces login --url URL");
  return found;
}

/** Checks that text is an address a control plane could have. @throws {FailureError} `bad_request` */
export function readUrl(text: string): string {
  return parse(ControlPlaneUrl, text, "--url").replace(/\/+$/, "");
}

/** Keeps who is signed in, readable by this person only. Gives the file's path. */
export function saveProfile(env: NodeJS.ProcessEnv, profile: { url: string; token: string }): string {
  const path = profilePath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(profile, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, path);
  return path;
}

function readProfile(env: NodeJS.ProcessEnv): Server | undefined {
  const path = profilePath(env);
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fail("bad_request", `${path} cannot be read. Correct its owner and mode, or remove it and sign in again.`, {
      cause,
    });
  }
  try {
    return { ...Profile.parse(JSON.parse(content)), from: path };
  } catch (cause) {
    throw fail("bad_request", `${path} is not a file of gitspaces login. Remove it and sign in again.`, { cause });
  }
}

function profilePath(env: NodeJS.ProcessEnv): string {
  const base = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(base, "gitspaces", "config.json");
}
