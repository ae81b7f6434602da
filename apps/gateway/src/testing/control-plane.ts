// A control plane as a gateway meets one: a signed stream it can go on from, reports, and sign-in codes.
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AccessDocument, type GatewayReport, type KeySet, type Revocation } from "@gitspaces/contracts";
import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";

export const TOKEN = "gateway-token-for-tests";
type Entry = { id: number; event: "access" | "revocation"; jws: string };
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
    this.reports.push(...(JSON.parse(Buffer.concat(chunks).toString()) as { reports: GatewayReport[] }).reports);
    response.writeHead(200).end("{}");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function write(stream: ServerResponse, { id, event, jws }: Entry): void {
  stream.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify({ jws })}\n\n`);
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
