// Turns the text of a pass into what it opens, by the access document alone: nobody is asked, and a pass that left the document is none.
import { createHash } from "node:crypto";
import { type AccessDocument, mayBeShared, type Pass, type Scope } from "@gitspaces/contracts";
import { passId, readPass } from "@gitspaces/contracts/passes";
import type { Session } from "../admission.ts";

const REMEMBERED = 2_000;

/** What a session is that came of a pass. */
export type Grant = Pick<Pass, "id" | "kind" | "key"> & Pick<Scope, "path" | "methods">;

export class PassReader {
  /** By the hash of text and key, so that a program's hundred requests check one chain of signatures. */
  readonly #known = new Map<string, Scope>();

  /** The session of a pass for this document and host, whatever its port and time; nothing when it is none of this document's. */
  read(text: string, document: AccessDocument, hostname: string, now: number): Session | undefined {
    const id = passId(text);
    const pass = id === undefined ? undefined : document.passes?.find((each) => each.id === id);
    const scope = pass === undefined ? undefined : this.#scope(text, pass);
    if (pass === undefined || scope === undefined) return undefined;
    return sessionOfPass(document, { ...pass, ...scope }, hostname, now);
  }

  #scope(text: string, pass: Pass): Scope | undefined {
    const key = createHash("sha256")
      .update(JSON.stringify([text, pass]))
      .digest("base64url");
    const known = this.#known.get(key) ?? readPass(text, pass);
    if (known === undefined) return undefined;
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(key, known);
    return known;
  }
}

/** A token acts as the Gitspace's owner, who made it; whoever has a link is nobody in particular. */
export function sessionOfPass(
  { owner, organisation }: AccessDocument,
  { id, kind, key, path, methods, expiresAt }: Grant & { expiresAt: number },
  hostname: string,
  startedAt: number,
): Session {
  return {
    user: kind === "token" ? owner : `link:${id}`,
    organisation: kind === "token" ? organisation : "",
    sessionId: id,
    hostname,
    startedAt,
    expiresAt,
    pass: { id, kind, key, path, methods },
  };
}

/** Whether the document still has the pass, for this port. */
export function isListed({ passes }: AccessDocument, port: number, { id, kind, key }: Grant): boolean {
  const pass = passes?.find((each) => each.id === id);
  if (pass?.key !== key || pass.kind !== kind) return false;
  return pass.ports === undefined
    ? mayBeShared(port)
    : pass.ports.includes(port) && (kind === "token" || mayBeShared(port));
}
