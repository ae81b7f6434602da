// Who may reach what, as the control plane signed it. A version never goes back; nothing unsigned gets in.
import { AccessDocument, fail, type KeySet, parse, Revocation } from "@gitspaces/contracts";
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from "jose";
import type { Session } from "./admission.ts";
import { KnownKeys } from "./ssh/known-keys.ts";

/** Everything needed to serve while the control plane is away. */
export type AccessSnapshot = { keys: KeySet; lastEventId: string; documents: string[]; revocations: string[] };

type Signed<T> = { jws: string; content: T };
const TYPE = "gitspaces-access+jws";
/** No session lives longer, so an older revocation ends nothing any more. */
const LONGEST_SESSION_MS = 24 * 3_600_000;

export class Access {
  #documents = new Map<string, Signed<AccessDocument>>();
  #sshKeys = new KnownKeys();
  #revocations: Signed<Revocation>[] = [];
  #keys: KeySet;
  #verify: ReturnType<typeof createLocalJWKSet>;
  /** Where the stream goes on. */
  lastEventId = "";
  /** Whether there is anything to decide by: the whole stream was read once, or documents were on disk. */
  isLoaded = false;
  /** Called after every change; the argument is the Gitspace, or nothing when it may concern any. */
  onChange: (gitspaceId?: string) => void = () => {};

  constructor(keys: KeySet) {
    this.#keys = keys;
    this.#verify = createLocalJWKSet(keys);
  }

  get keys(): JSONWebKeySet {
    return this.#keys;
  }

  get size(): number {
    return this.#documents.size;
  }

  find(gitspaceId: string): AccessDocument | undefined {
    return this.#documents.get(gitspaceId)?.content;
  }

  /** Whether an SSH key (its blob in base64) opens some Gitspace. */
  isSshKey(key: string): boolean {
    return this.#sshKeys.has(key);
  }

  /** Takes the control plane's keys. Answers false when what was kept is not signed by them: it is dropped, to be read anew. */
  async takeKeys(keys: KeySet): Promise<boolean> {
    if (JSON.stringify(keys) === JSON.stringify(this.#keys)) return true;
    // All of it changes in one step: in between nobody would be known, and nobody revoked.
    const next = new Access(keys);
    const isWhole = await next.#takeAll(this.snapshot());
    this.#keys = keys;
    this.#verify = next.#verify;
    this.#documents = next.#documents;
    this.#sshKeys = next.#sshKeys;
    this.#revocations = next.#revocations;
    if (!isWhole) this.lastEventId = "";
    this.onChange();
    return isWhole;
  }

  /** Takes a signed access document. @throws {FailureError} or a jose error when it is not the control plane's. */
  async takeDocument(jws: string): Promise<void> {
    const content = parse(AccessDocument, await this.#open(jws), "access document");
    const present = this.#documents.get(content.gitspaceId);
    if (present !== undefined && present.content.version >= content.version) return;
    this.#documents.set(content.gitspaceId, { jws, content });
    this.#sshKeys.replace(present?.content, content);
    this.onChange(content.gitspaceId);
  }

  /** Takes a signed revocation. @throws as `takeDocument`. */
  async takeRevocation(jws: string): Promise<void> {
    const content = parse(Revocation, await this.#open(jws), "revocation");
    if (this.#revocations.some((present) => present.content.version === content.version)) return;
    this.#revocations.push({ jws, content });
    this.onChange();
  }

  /** Whether the session was ended before its time. */
  isRevoked(session: Session): boolean {
    return this.#revocations.some(
      ({ content }) =>
        content.user === session.user &&
        (content.session === undefined || content.session === session.sessionId) &&
        session.startedAt < content.before,
    );
  }

  snapshot(now = Date.now()): AccessSnapshot {
    this.#revocations = this.#revocations.filter(({ content }) => content.before > now - LONGEST_SESSION_MS);
    return {
      keys: this.#keys,
      lastEventId: this.lastEventId,
      documents: [...this.#documents.values()].map(({ jws }) => jws),
      revocations: this.#revocations.map(({ jws }) => jws),
    };
  }

  /** Goes on from what was kept on disk; whatever does not verify is left out and read again from the stream. */
  async restore(kept: AccessSnapshot): Promise<void> {
    this.#keys = kept.keys;
    this.#verify = createLocalJWKSet(kept.keys);
    const isWhole = await this.#takeAll(kept);
    this.lastEventId = isWhole ? kept.lastEventId : "";
    this.isLoaded = this.#documents.size > 0;
  }

  async #takeAll(kept: AccessSnapshot): Promise<boolean> {
    let isWhole = true;
    for (const jws of kept.documents) await this.takeDocument(jws).catch(() => (isWhole = false));
    for (const jws of kept.revocations) await this.takeRevocation(jws).catch(() => (isWhole = false));
    return isWhole;
  }

  async #open(jws: string): Promise<unknown> {
    const { payload, protectedHeader } = await compactVerify(jws, this.#verify, { algorithms: ["EdDSA"] });
    // The same key signs tasks and codes; neither is ever read as access.
    if (protectedHeader.typ !== TYPE) throw fail("denied", `A document of the stream should be of the type ${TYPE}.`);
    return JSON.parse(new TextDecoder().decode(payload));
  }
}
