// One HTTPS request to the enrolment listener, whose only trust anchor is the fingerprint of the installation's CA.
import { createHash, X509Certificate } from "node:crypto";
import { request } from "node:http";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { EnrolAnswer, fail, FailureError, parse, parseCertificateName, Problem } from "@gitspaces/contracts";

const DEADLINE_MS = 10_000;

/** The CA certificate of the peer's chain, if it has the fingerprint and signed the peer's valid runner certificate. */
function pinned(socket: TLSSocket, caFingerprint: string): boolean {
  const chain: X509Certificate[] = [];
  let each: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (each?.raw !== undefined && chain.length < 4) {
    chain.push(new X509Certificate(each.raw));
    each = each.issuerCertificate === each ? undefined : each.issuerCertificate;
  }
  const [leaf] = chain;
  const ca = chain.find((candidate) => createHash("sha256").update(candidate.raw).digest("hex") === caFingerprint);
  if (leaf === undefined || ca === undefined || !leaf.verify(ca.publicKey)) return false;
  const uri = /^URI:([^,\s]+)$/.exec(leaf.subjectAltName ?? "")?.[1] ?? "";
  const now = Date.now();
  const valid = now >= Date.parse(leaf.validFrom) && now <= Date.parse(leaf.validTo);
  return valid && parseCertificateName(uri)?.role === "runner";
}

async function open(url: URL, caFingerprint: string, signal: AbortSignal): Promise<TLSSocket> {
  signal.throwIfAborted();
  const socket = connect({
    host: url.hostname,
    port: Number(url.port || 443),
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  });
  const abort = () => socket.destroy(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket
        .once("secureConnect", resolve)
        .once("error", reject)
        .once("close", () => reject(new Error("closed")));
    });
  } finally {
    signal.removeEventListener("abort", abort);
  }
  if (pinned(socket, caFingerprint)) return socket;
  socket.destroy();
  throw fail("denied", `${url.origin} did not show the CA certificate with fingerprint ${caFingerprint}.`, {
    retry: "later",
  });
}

/** Posts to the enrolment listener. @throws {FailureError} the listener's own failure, or `denied` when it is not ours. */
export async function postEnrolment(
  url: URL,
  caFingerprint: string,
  body: unknown,
  signal: AbortSignal,
): Promise<EnrolAnswer> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  const socket = await open(url, caFingerprint, within);
  try {
    const { status, text } = await exchange(socket, url, JSON.stringify(body), within);
    const json: unknown = JSON.parse(text);
    if (status === 200) return parse(EnrolAnswer, json, "enrolment answer");
    const { detail, code, retry } = parse(Problem, json, "enrolment problem");
    throw new FailureError({ code, message: detail, retry });
  } finally {
    socket.destroy();
  }
}

async function exchange(
  socket: TLSSocket,
  url: URL,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const sending = request({
      method: "POST",
      path: url.pathname,
      headers: {
        host: url.host,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        connection: "close",
      },
      createConnection: () => socket,
      signal,
    });
    sending.once("error", reject);
    sending.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    sending.end(body);
  });
}
