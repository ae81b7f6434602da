// The enrolment listener: a process shows a token once and gets a certificate with its name; later it renews under that one.
import { createHash, timingSafeEqual, type webcrypto, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import {
  type EnrolAnswer,
  EnrolRequest,
  fail,
  httpStatus,
  KeySet,
  parse,
  parseCertificateName,
  RenewRequest,
  type Role,
  toFailure,
  toProblem,
} from "@gitspaces/contracts";
import type { Address, Clock, Logger } from "@gitspaces/daemon";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import type { Provider } from "@gitspaces/providers";
import { fastify } from "fastify";
import { type Ca, readCsr } from "./ca.ts";
import type { CaMembers } from "./ca/members.ts";
import type { EnrolmentTokens } from "./enrolment-tokens.ts";
import type { VmStore } from "./vm-store.ts";

/** Reads a join token each time, so that a changed file needs no restart. */
export type JoinTokens = Record<"delegate" | "gateway", () => string>;

type Collaborators = {
  ca: Ca;
  identity: TlsIdentity;
  installation: string;
  /** Remembers who was given what. */
  members: Pick<CaMembers, "given">;
  tokens: EnrolmentTokens;
  joinTokens: JoinTokens;
  store: VmStore;
  provider: Pick<Provider, "get">;
  controlPlaneKeysFile: string;
  clock: Clock;
  log: Logger;
  /** An agent has its certificate. */
  onEnrolled: (instanceId: string) => void;
};

export type EnrolmentListener = AsyncDisposable & { address: Address; useIdentity(identity: TlsIdentity): void };

const LARGEST_BODY = 32 * 1024;
const PROVIDER_DEADLINE_MS = 5_000;
const NAME = /^[a-z0-9-]{1,63}$/;

/** Listens for `POST /enrol` and `POST /renew` over TLS 1.3. */
export async function startEnrolment(listen: Address, collaborators: Collaborators): Promise<EnrolmentListener> {
  const { identity, log } = collaborators;
  const app = fastify({
    https: tlsOf(identity),
    bodyLimit: LARGEST_BODY,
    forceCloseConnections: true,
    requestTimeout: 10_000,
  });
  app.setErrorHandler((error, request, reply) => {
    const isBadBody =
      (error as { statusCode?: number }).statusCode === 400 || (error as { statusCode?: number }).statusCode === 413;
    const failure = isBadBody
      ? fail("bad_request", "The body is not the JSON of an enrolment request.").failure
      : toFailure(error);
    log[failure.code === "internal" ? "error" : "warn"](
      { err: error, address: request.ip, path: request.url },
      "enrolment refused",
    );
    return reply.status(httpStatus(failure.code)).type("application/problem+json").send(toProblem(failure));
  });
  app.setNotFoundHandler((_request, reply) => {
    const failure = fail("not_found", "Only POST /enrol and POST /renew are here.").failure;
    return reply.status(404).type("application/problem+json").send(toProblem(failure));
  });
  app.post("/enrol", (request) => enrol(parse(EnrolRequest, request.body, "enrolment"), request.ip, collaborators));
  app.post("/renew", (request) => renew(parse(RenewRequest, request.body, "renewal"), collaborators));
  await app.listen({ host: listen.host, port: listen.port });

  return {
    address: { host: listen.host, port: (app.server.address() as AddressInfo).port },
    useIdentity: (next) =>
      (app.server as unknown as { setSecureContext(options: object): void }).setSecureContext(tlsOf(next)),
    [Symbol.asyncDispose]: async () => await app.close(),
  };
}

function tlsOf(identity: TlsIdentity) {
  return { key: identity.key, cert: identity.certificate, minVersion: "TLSv1.3" as const };
}

async function enrol(
  { token, csr }: EnrolRequest,
  address: string,
  collaborators: Collaborators,
): Promise<EnrolAnswer> {
  const request = await readCsr(csr);
  // Whatever may be missing is asked for before the token is spent.
  const keys = await controlPlaneKeys(collaborators);
  const role = joinRole(token, collaborators.joinTokens);
  if (role !== undefined) {
    if (!NAME.test(request.commonName)) {
      throw fail(
        "bad_request",
        `The common name of a ${role}'s request should be its name: lower-case letters, digits and dashes.`,
        { field: "csr" },
      );
    }
    return await answer(request.publicKey, role, request.commonName, keys, collaborators);
  }
  const instanceId = await instanceOf(token, address, collaborators);
  if (!(await collaborators.store.enrolled(instanceId, request.keyFingerprint))) {
    throw fail("denied", "This instance is not on record, or already has another key.");
  }
  const answered = await answer(request.publicKey, "vm", instanceId, keys, collaborators);
  // Spent for this key: when the runner ends before its answer has left, the same key may ask again.
  if ((await collaborators.tokens.spend(token, request.keyFingerprint)) !== instanceId)
    throw fail("denied", "The enrolment token was used.", { field: "token" });
  collaborators.onEnrolled(instanceId);
  return answered;
}

/** The instance that a token is for, when its caller is at the address the provider reports. */
async function instanceOf(token: string, address: string, { tokens, provider, log }: Collaborators): Promise<string> {
  const instanceId = await tokens.peek(token);
  if (instanceId === undefined)
    throw fail("denied", "The enrolment token is unknown, used or older than ten minutes.", { field: "token" });
  const vm = await provider.get(instanceId, {
    key: `enrol/${instanceId}`,
    signal: AbortSignal.timeout(PROVIDER_DEADLINE_MS),
  });
  // The VM may ask before the provider has told its address: nothing is spent, and it asks again.
  if (vm === undefined || vm.address === null)
    throw fail("conflict", "The provider has not reported this instance's address yet; ask again.");
  if (plain(address) !== plain(vm.address)) {
    log.warn({ instanceId, address, expected: vm.address }, "an enrolment token came from another address");
    throw fail("denied", "The enrolment token belongs to a VM at another address.", { field: "token" });
  }
  return instanceId;
}

async function renew({ csr, certificate }: RenewRequest, collaborators: Collaborators): Promise<EnrolAnswer> {
  const { ca, store, clock, installation } = collaborators;
  const request = await readCsr(csr);
  const present = readCertificate(certificate);
  const name = parseCertificateName(/^URI:([^,\s]+)$/.exec(present.subjectAltName ?? "")?.[1] ?? "");
  // A VM may sleep through the end of the CA it was made under; being on record under its key is what counts then too.
  const isOurs = name?.role === "vm" ? ca.everSigned(present) : ca.signed(present);
  if (!isOurs || name?.installation !== installation)
    throw fail("denied", "The certificate was not issued by this installation.", { field: "certificate" });
  const keyFingerprint = createHash("sha256")
    .update(present.publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");
  if (keyFingerprint !== request.keyFingerprint)
    throw fail("denied", "A renewal keeps its key; this request has another.", { field: "csr" });
  if (name.role === "vm") {
    // A suspended VM may wake with an expired certificate: being on record under this key is what counts.
    if (!(await isRecorded(store, name.name, keyFingerprint)))
      throw fail("denied", "This instance is no longer on record.");
  } else if (clock.now() > Date.parse(present.validTo)) {
    throw fail("denied", "The certificate has expired; enrol again with the join token.", { field: "certificate" });
  }
  return await answer(request.publicKey, name.role, name.name, await controlPlaneKeys(collaborators), collaborators);
}

async function isRecorded(store: VmStore, instanceId: string, keyFingerprint: string): Promise<boolean> {
  const record = await store.get(instanceId);
  return (
    record?.reach?.keyFingerprint === keyFingerprint && record.vm.power !== "deleting" && record.vm.power !== "gone"
  );
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw fail("bad_request", "The certificate is not one in PEM.", { field: "certificate", cause });
  }
}

async function answer(
  publicKey: webcrypto.CryptoKey,
  role: Role,
  name: string,
  keys: KeySet,
  { ca, installation, clock, members }: Collaborators,
): Promise<EnrolAnswer> {
  const now = clock.now();
  // One moment's word: a rotation may go on while the certificate is made.
  const { trusted, record } = ca;
  const certificate = await ca.issue(publicKey, role, name, now);
  await members.given(`${role}/${name}`, { certificate, record, at: now, until: now + ca.lifeMs });
  return { certificate, ca: trusted, installation, controlPlaneKeys: keys };
}

/** Read for each answer, so that rotated keys reach whoever enrols or renews next. */
async function controlPlaneKeys({ controlPlaneKeysFile, log }: Collaborators): Promise<KeySet> {
  try {
    return parse(KeySet, JSON.parse(await readFile(controlPlaneKeysFile, "utf8")), "control plane keys");
  } catch (cause) {
    log.warn({ err: cause, file: controlPlaneKeysFile }, "the control plane's keys could not be read");
    throw fail("conflict", "The runner does not have the control plane's keys yet; ask again.", { cause });
  }
}

/** The role a join token is for. Digests are compared, in constant time, so that lengths tell nothing either. */
function joinRole(token: string, joinTokens: JoinTokens): "delegate" | "gateway" | undefined {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const shown = digest(token);
  const isDelegate = timingSafeEqual(shown, digest(joinTokens.delegate()));
  const isGateway = timingSafeEqual(shown, digest(joinTokens.gateway()));
  if (isDelegate) return "delegate";
  return isGateway ? "gateway" : undefined;
}

/** IPv4 as it looks on a dual-stack socket is still IPv4. */
function plain(address: string): string {
  return address.replace(/^::ffff:/, "");
}
