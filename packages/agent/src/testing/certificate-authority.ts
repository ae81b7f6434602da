// A certificate authority for tests, made with openssl, and the enrolment listener in front of it.
import { execFile } from "node:child_process";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { certificateName, failure, type KeySet, type Role, toProblem } from "@gitspaces/contracts";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";

const run = promisify(execFile);
export const INSTALLATION = "local-test01";

export type Authority = {
  ca: string;
  fingerprint: string;
  /** A certificate for a request in PEM. */
  sign(csr: string, role: Role, name: string, installation?: string): Promise<string>;
  /** Key and certificate of a caller. */
  caller(role: Role, name: string, installation?: string): Promise<TlsIdentity>;
};

async function openssl(...args: string[]): Promise<string> {
  return (await run("openssl", args)).stdout;
}

/** Makes an authority that keeps its files in `folder`. */
export async function makeAuthority(folder: string, controlPlaneKeys: KeySet): Promise<Authority> {
  const file = (name: string) => join(folder, name);
  await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file("ca.key"));
  const subject = ["-subj", "/CN=test authority", "-days", "2"];
  await openssl("req", "-x509", "-new", "-key", file("ca.key"), ...subject, "-out", file("ca.pem"));
  const ca = readFileSync(file("ca.pem"), "utf8");

  const sign: Authority["sign"] = async (csr, role, name, installation = INSTALLATION) => {
    const at = file(randomBytes(6).toString("hex"));
    writeFileSync(`${at}.csr`, csr);
    writeFileSync(`${at}.ext`, `subjectAltName=URI:${certificateName(installation, role, name)}\n`);
    const signer = [
      "-CA",
      file("ca.pem"),
      "-CAkey",
      file("ca.key"),
      "-set_serial",
      `0x${randomBytes(8).toString("hex")}`,
    ];
    return await openssl("x509", "-req", "-in", `${at}.csr`, ...signer, "-days", "1", "-extfile", `${at}.ext`);
  };
  const caller: Authority["caller"] = async (role, name, installation = INSTALLATION) => {
    const at = file(randomBytes(6).toString("hex"));
    await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${at}.key`);
    const csr = await openssl("req", "-new", "-key", `${at}.key`, "-subj", "/CN=caller");
    const certificate = await sign(csr, role, name, installation);
    return { key: readFileSync(`${at}.key`, "utf8"), certificate, ca, installation, controlPlaneKeys };
  };
  const fingerprint = createHash("sha256").update(new X509Certificate(ca).raw).digest("hex");
  return { ca, fingerprint, sign, caller };
}

export type EnrolmentListener = AsyncDisposable & { url: string; tokens: Map<string, string>; enrolled: string[] };

/** Listens for enrolments; `tokens` holds the name that each unspent token stands for. */
export async function startEnrolment(authority: Authority, controlPlaneKeys: KeySet): Promise<EnrolmentListener> {
  const tokens = new Map<string, string>();
  const enrolled: string[] = [];
  const own = await authority.caller("runner", "runner-1");
  const server = createServer({ key: own.key, cert: own.certificate + authority.ca, minVersion: "TLSv1.3" });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = JSON.parse(await text(request)) as { token: string; csr: string };
    const name = tokens.get(body.token);
    if (request.url !== "/enrol" || name === undefined) {
      const problem = toProblem(failure("denied", "The token is not valid."));
      response.writeHead(problem.status, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
      return;
    }
    tokens.delete(body.token);
    enrolled.push(name);
    const certificate = await authority.sign(body.csr, "vm", name);
    const enrolment = { certificate, ca: authority.ca, installation: INSTALLATION, controlPlaneKeys };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(enrolment));
  };
  server.on("request", (request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tokens,
    enrolled,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
