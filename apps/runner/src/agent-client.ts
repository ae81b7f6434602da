// What the runner asks of an agent: how it is, and to take an identity. Each call pins the key on record.
import { request } from "node:https";
import {
  AgentStatus,
  FailureError,
  fail,
  type Identity,
  IdentityAnswer,
  type InstanceId,
  parse,
  Problem,
} from "@gitspaces/contracts";
import { clientTls } from "@gitspaces/daemon/certificates";
import type { Reach } from "@gitspaces/vm-pool";
import type { OwnIdentity } from "./own-identity.ts";

const STATUS_DEADLINE_MS = 2_000;
const IDENTITY_DEADLINE_MS = 8_000;

export type AgentClient = ReturnType<typeof agentClient>;

/** A client that shows the runner's present certificate. */
export function agentClient(own: OwnIdentity) {
  const call = async (
    id: InstanceId,
    reach: Reach,
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<unknown> => {
    const tls = clientTls(own.current, { role: "vm", name: id, keyFingerprint: reach.keyFingerprint });
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const answered = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sending = request({
        ...tls,
        host: reach.address,
        port: reach.port,
        method,
        path,
        headers,
        agent: false,
        signal,
      });
      sending.once("error", (cause) =>
        reject(fail("vm_unreachable", `The agent of ${id} did not answer: ${cause.message}`, { cause })),
      );
      sending.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      sending.end(text);
    });
    return read(id, answered);
  };

  return {
    /** How the agent is. @throws {FailureError} `vm_unreachable` when nobody with the right key answers within 2 s. */
    async status(id: InstanceId, reach: Reach, signal: AbortSignal): Promise<AgentStatus> {
      const within = AbortSignal.any([signal, AbortSignal.timeout(STATUS_DEADLINE_MS)]);
      return parse(AgentStatus, await call(id, reach, "GET", "/status", undefined, within), "agent status");
    },
    /** Hands the identity over. @throws {FailureError} `conflict` when the agent has another, `vm_unreachable` within 8 s. */
    async giveIdentity(id: InstanceId, reach: Reach, identity: Identity, signal: AbortSignal): Promise<IdentityAnswer> {
      const within = AbortSignal.any([signal, AbortSignal.timeout(IDENTITY_DEADLINE_MS)]);
      return parse(IdentityAnswer, await call(id, reach, "PUT", "/identity", identity, within), "agent answer");
    },
  };
}

function read(id: InstanceId, { status, text }: { status: number; text: string }): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw fail("vm_unreachable", `The agent of ${id} answered ${status} with something unreadable.`, { cause });
  }
  if (status >= 200 && status < 300) return json;
  const problem = Problem.safeParse(json);
  if (!problem.success) throw fail("vm_unreachable", `The agent of ${id} answered ${status}.`);
  const { code, detail, retry } = problem.data;
  throw new FailureError({ code, message: detail, retry });
}
