// A delegate that speaks the wire protocol by hand: it mints its token, polls, acquires and answers.
import { generateKeyPairSync } from "node:crypto";
import { okAnswer, type Task, type TaskResult, type TaskType } from "@gitspaces/contracts";
import { EncryptJWT } from "jose";
import { ACCOUNT, type TestControlPlane } from "./control-plane.ts";

type Claims = { aud?: string | string[]; iss?: string; sub?: string; exp?: number };

/** The token of the protocol: a JWE with the account's secret as its key. */
export async function mintToken(secret: string, claims: Claims = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const all = {
    sub: ACCOUNT,
    iss: "issuer",
    aud: ["audience"],
    iat: now,
    exp: now + 1_200,
    jti: crypto.randomUUID(),
    ...claims,
  };
  return await new EncryptJWT(all)
    .setProtectedHeader({ alg: "dir", enc: "A128GCM", typ: "JWT" })
    .encrypt(Buffer.from(secret, "hex"));
}

const agent = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { kty, crv, x, y } = agent.publicKey.export({ format: "jwk" });
export const agentPrivateKey = agent.privateKey;

const results: { [T in TaskType]: TaskResult<T> } = {
  "vm.provision": {
    vm: { instanceId: "vm-1", pool: "default" },
    agentKey: { kty: kty as "EC", crv: crv as "P-256", x: x ?? "", y: y ?? "" },
    warm: true,
  },
  "vm.stop": { power: "gone" },
  "vm.destroy": {},
  "vm.status": { vm: { instanceId: "vm-1", power: "running", generation: 1 } },
  "gitspace.start": { folder: "/home/gitspace/hello", user: "gitspace", ports: [8089], notApplied: [] },
  "gitspace.stop": { hasGitChanges: true },
  "gitspace.remove": {},
  "gitspace.status": { state: "running", ports: [3000, 8089], ide: "ready", hasGitChanges: true },
};

export type TestDelegate = Awaited<ReturnType<typeof connect>>;

/** Registers a delegate. */
export async function connect(plane: TestControlPlane, about: Record<string, unknown> = {}) {
  const token = await mintToken(plane.delegateSecret);
  const headers = { authorization: `Delegate ${token}`, "content-type": "application/json" };
  const call = (method: string, path: string, body?: unknown) =>
    plane.call(method, `${path}${path.includes("?") ? "&" : "?"}accountId=${ACCOUNT}`, body, headers);
  const registered = await call("POST", "/api/agent/delegates/register", {
    accountId: ACCOUNT,
    delegateName: "d1",
    delegateType: "DOCKER",
    supportedTaskTypes: Object.keys(results),
    ...about,
  });
  const { resource } = (await registered.json()) as { resource: { delegateId: string } };
  const id = resource.delegateId;

  const delegate = {
    id,
    call,
    heartbeat: (more: Record<string, unknown> = {}) =>
      call("POST", "/api/agent/delegates/heartbeat-with-polling", {
        accountId: ACCOUNT,
        delegateId: id,
        ...about,
        ...more,
      }),
    async poll(waitMs = 5_000): Promise<{ id: string; type: string }[]> {
      const response = await call("GET", `/api/agent/delegates/${id}/task-events?waitMs=${waitMs}`);
      const { delegateTaskEvents: events } = (await response.json()) as {
        delegateTaskEvents: { delegateTaskId: string; taskType: string }[];
      };
      return events.map((event) => ({ id: event.delegateTaskId, type: event.taskType }));
    },
    acquire: (taskId: string) => call("PUT", `/api/agent/v2/delegates/${id}/tasks/${taskId}/acquire`),
    /** The next task, acquired. */
    async take(): Promise<Task> {
      const [first] = await delegate.poll();
      if (first === undefined) throw new Error("no task was offered");
      const acquired = await delegate.acquire(first.id);
      return ((await acquired.json()) as { data: Task }).data;
    },
    answer: (task: Pick<Task, "id" | "type">, data: unknown, code = "OK") =>
      call("POST", `/api/agent/v2/tasks/${task.id}/delegates/${id}`, { id: task.id, type: task.type, code, data }),
    /** Answers a task as if all had gone well. */
    async succeed(task: Task, result: Record<string, unknown> = {}): Promise<void> {
      const answer = okAnswer(task as never, { ...results[task.type], ...result } as never, { tookMs: 1 });
      const response = await delegate.answer(task, answer);
      if (!response.ok) throw new Error(await response.text());
    },
    async fail(task: Task, code: string, retry = "later"): Promise<void> {
      const failure = { code, message: `no: ${code}`, retry };
      const answer = { taskId: task.id, generation: task.generation, outcome: "failed", failure, timings: {} };
      const response = await delegate.answer(task, answer, "FAILED");
      if (!response.ok) throw new Error(await response.text());
    },
    /** Takes and does tasks of these types, in this order. */
    async does(...types: TaskType[]): Promise<Task[]> {
      const done: Task[] = [];
      for (const type of types) {
        const task = await delegate.take();
        if (task.type !== type) throw new Error(`expected ${type}, got ${task.type}`);
        await delegate.succeed(task);
        done.push(task);
      }
      return done;
    },
  };
  return delegate;
}
