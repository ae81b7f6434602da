// A control plane as a gateway meets one: a signed stream it can go on from, reports, and sign-in codes.
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type AccessDocument,
  type GatewayReport,
  type KeySet,
  type ProgressMessage,
  type Revocation,
  type WakeAnswer,
} from "@gitspaces/contracts";
import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";

export const TOKEN = "gateway-token-for-tests";
type Entry = { id: number; event: "access" | "revocation"; jws: string };
export type Wake = Extract<GatewayReport, { kind: "wake" }>;
type CodeWish = {
  gitspaceId: string;
  user: string;
  organisation?: string;
  nonce: string;
  issuedAt?: number;
  issuer?: string;
  typ?: string;
};

export class TestControlPlane implements AsyncDisposable {
  readonly #server = createServer((request, response) =>
    this.#answer(request.url ?? "", request.headers, response, request),
  );
  readonly #streams = new Set<ServerResponse>();
  #entries: Entry[] = [];
  #key!: CryptoKey;
  keys!: KeySet;
  url = "";
  reports: GatewayReport[] = [];
  batches: string[] = [];
  /** The status with which reports are answered instead of being taken. */
  refuses: number | undefined;
  /** What a wake is answered; unless a test says otherwise it is accepted, and nothing happens. */
  onWake: (wake: Wake) => WakeAnswer | Promise<WakeAnswer> = ({ gitspaceId, generation }) => ({
    outcome: "accepted",
    gitspaceId,
    generation: generation + 1,
  });
  readonly watchers = new Set<{ gitspaceId: string; response: ServerResponse }>();
  readonly #progress = new Map<string, ProgressMessage[]>();
  /** `Last-Event-ID` of each stream that was opened. */
  resumes: (string | undefined)[] = [];
  version = 0;

  static async start(port = 0): Promise<TestControlPlane> {
    const made = new TestControlPlane();
    await made.#makeKey();
    made.#server.listen(port, "127.0.0.1");
    await once(made.#server, "listening");
    made.url = `http://127.0.0.1:${(made.#server.address() as AddressInfo).port}`;
    return made;
  }

  async #makeKey(): Promise<void> {
    const pair = await generateKeyPair("EdDSA", { extractable: true });
    this.#key = pair.privateKey;
    this.keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kty: "OKP", kid: "k1" }] };
  }

  async sign(content: unknown, key = this.#key, typ = "gitspaces-access+jws"): Promise<string> {
    return new CompactSign(new TextEncoder().encode(JSON.stringify(content)))
      .setProtectedHeader({ alg: "EdDSA", kid: "k1", typ })
      .sign(key);
  }

  async publish(document: Partial<AccessDocument> & { gitspaceId: string }): Promise<void> {
    const whole: AccessDocument = {
      version: this.version + 1,
      name: document.gitspaceId,
      state: "running",
      generation: 1,
      owner: "ada",
      organisation: "engine",
      ports: {},
      sshKeys: [],
      ...document,
    };
    await this.#append("access", whole);
  }

  async revoke(revocation: Omit<Revocation, "version">): Promise<void> {
    await this.#append("revocation", { version: this.version + 1, ...revocation });
  }

  async #append(event: Entry["event"], content: unknown): Promise<void> {
    const entry = { id: ++this.version, event, jws: await this.sign(content) };
    this.#entries.push(entry);
    for (const stream of this.#streams) write(stream, entry);
  }

  async code({
    gitspaceId,
    user,
    organisation = "engine",
    nonce,
    issuedAt = Date.now(),
    issuer = this.url,
    typ = "gitspaces-code+jwt",
  }: CodeWish): Promise<string> {
    const seconds = Math.floor(issuedAt / 1_000);
    return new SignJWT({ organisation, nonce, jti: randomUUID() })
      .setProtectedHeader({ alg: "EdDSA", kid: "k1", typ })
      .setIssuer(issuer)
      .setAudience(gitspaceId)
      .setSubject(user)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + 60)
      .sign(this.#key);
  }

  #answer(url: string, headers: IncomingHttpHeaders, response: ServerResponse, request: AsyncIterable<Buffer>): void {
    if (headers.authorization !== `Bearer ${TOKEN}`) return void response.writeHead(401).end();
    if (url === "/api/gateway/v1/reports") return void this.#takeReports(request, response);
    const [, watched] = /^\/api\/gateway\/v1\/gitspaces\/([^/]+)\/progress$/.exec(url) ?? [];
    if (watched !== undefined) return this.#showProgress(watched, response);
    this.resumes.push(headers["last-event-id"] as string | undefined);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`event: keys\ndata: ${JSON.stringify(this.keys)}\n\n`);
    const after = Number(headers["last-event-id"] ?? 0);
    for (const entry of this.#entries) if (entry.id > after) write(response, entry);
    response.write("event: ready\ndata: {}\n\n");
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  async #takeReports(request: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const sent = JSON.parse(Buffer.concat(chunks).toString()) as { reports: GatewayReport[]; batch?: string };
    if (this.refuses !== undefined) return void response.writeHead(this.refuses).end();
    this.reports.push(...sent.reports);
    if (sent.batch !== undefined) this.batches.push(sent.batch);
    const wakes = sent.reports.filter((report) => report.kind === "wake");
    const answers = await Promise.all(wakes.map(async (wake) => this.onWake(wake)));
    response.writeHead(200).end(JSON.stringify({ wakes: answers }));
  }

  #showProgress(gitspaceId: string, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": hello\n\n");
    const watcher = { gitspaceId, response };
    this.watchers.add(watcher);
    for (const message of this.#progress.get(gitspaceId) ?? []) writeProgress(response, message);
    response.on("close", () => this.watchers.delete(watcher));
  }

  /** Tells how far a start is, also to those who come later. */
  tellProgress(gitspaceId: string, message: ProgressMessage): void {
    this.#progress.set(gitspaceId, [...(this.#progress.get(gitspaceId) ?? []), message]);
    for (const watcher of this.watchers)
      if (watcher.gitspaceId === gitspaceId) writeProgress(watcher.response, message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function writeProgress(stream: ServerResponse, { event, data }: ProgressMessage): void {
  stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function write(stream: ServerResponse, { id, event, jws }: Entry): void {
  stream.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify({ jws })}\n\n`);
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
