// One HTTPS request to the enrolment listener, believed by the fingerprint of the installation's CA or by those trusted already.
import { X509Certificate } from "node:crypto";
import { request } from "node:http";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { EnrolAnswer, fail, FailureError, parse, parseCertificateName, Problem } from "@gitspaces/contracts";
import { isVouchedFor, type Trust } from "./vouching.ts";

const DEADLINE_MS = 10_000;

/** A chain grows by two with each rotation of the CA, and the runner keeps eight. */
const LONGEST_CHAIN = 32;

/** Whether the peer showed a valid certificate of a runner that those who are trusted vouch for. */
function isOurs(socket: TLSSocket, trust: Trust): boolean {
  const chain: X509Certificate[] = [];
  let each: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (each?.raw !== undefined && chain.length < LONGEST_CHAIN) {
    chain.push(new X509Certificate(each.raw));
    each = each.issuerCertificate === each ? undefined : each.issuerCertificate;
  }
  const [leaf, ...shown] = chain;
  if (leaf === undefined || !isVouchedFor(leaf, shown, trust)) return false;
  const uri = /^URI:([^,\s]+)$/.exec(leaf.subjectAltName ?? "")?.[1] ?? "";
  const now = Date.now();
  const valid = now >= Date.parse(leaf.validFrom) && now <= Date.parse(leaf.validTo);
  return valid && parseCertificateName(uri)?.role === "runner";
}

async function open(url: URL, trust: Trust, signal: AbortSignal): Promise<TLSSocket> {
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
  if (isOurs(socket, trust)) return socket;
  socket.destroy();
  throw fail("denied", `${url.origin} did not show ${described(trust)}.`, {
    retry: "later",
  });
}

function described(trust: Trust): string {
  if ("fingerprint" in trust) return `the CA certificate with fingerprint ${trust.fingerprint}`;
  return "a certificate that an authority of this installation vouches for";
}

/** Posts to the enrolment listener; `trust` may be a fingerprint by itself. @throws {FailureError} the listener's own failure, or `denied` when it is not ours. */
export async function postEnrolment(
  url: URL,
  trust: Trust | string,
  body: unknown,
  signal: AbortSignal,
): Promise<EnrolAnswer> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  const socket = await open(url, typeof trust === "string" ? { fingerprint: trust } : trust, within);
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
