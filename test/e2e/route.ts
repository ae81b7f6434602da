// What an attacker inside the house would hold: the gateway's certificate and its view of the routes.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { redisKeys, Route } from "@gitspaces/contracts";
import { clientTls, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { Redis } from "ioredis";
import type { System } from "./system.ts";

/** The route of a running Gitspace, read with the gateway's own Redis user. */
export async function routeOf(system: System, gitspaceId: string): Promise<Route> {
  const password = readFileSync(join(system.up.data, "secrets", "redis-gateway-password"), "utf8").trim();
  const redis = new Redis({ host: "127.0.0.1", port: system.portBase + 5, username: "gateway", password });
  try {
    return Route.parse(JSON.parse((await redis.get(redisKeys.route(gitspaceId))) ?? "null"));
  } finally {
    redis.disconnect();
  }
}

/** Speaks to the agent of a Gitspace with the gateway's stolen key and certificate. */
export async function connectAgent(system: System, gitspaceId: string) {
  const route = await routeOf(system, gitspaceId);
  const folder = join(system.up.data, "gateway");
  const answer = JSON.parse(readFileSync(join(folder, "certificate.json"), "utf8")) as Omit<TlsIdentity, "key">;
  const identity = { key: readFileSync(join(folder, "key.pem"), "utf8"), ...answer };

  function ask(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const asking = request(
        {
          method,
          path,
          host: route.address,
          port: route.port,
          ...clientTls(identity, { role: "vm" }),
          headers: { "content-type": "application/json" },
        },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      asking.once("error", reject);
      asking.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function call(method: string, path: string, body: unknown): Promise<{ status: number; code: string }> {
    const { status, text } = await ask(method, path, body);
    return { status, code: text === "" ? "" : (JSON.parse(text) as { code: string }).code };
  }

  return {
    postTask: (task: unknown) => call("POST", "/tasks", task),
    /** Waits until a task was answered, and gives all that the agent says of it: a line of JSON each. */
    story: async (taskId: string) => (await ask("GET", `/tasks/${taskId}/events`)).text,
    putIdentity: (id: string) =>
      call("PUT", "/identity", {
        gitspaceId: id,
        generation: 100,
        taskId: "019c0000-0000-7000-8000-000000000002",
        homeDisk: id,
      }),
    /** A task that the control plane really signed, for somebody else, as the delegate's store has it. */
    signedTaskOf(other: string): Record<string, unknown> {
      const db = new DatabaseSync(join(system.up.data, "delegate.db"), { readOnly: true });
      try {
        const rows = db.prepare("SELECT wire FROM tasks WHERE type = 'gitspace.start'").all() as { wire: string }[];
        const tasks = rows.map((row) => (JSON.parse(row.wire) as { data: Record<string, unknown> }).data);
        const task = tasks.find((each) => each["gitspaceId"] === other);
        if (task === undefined) throw new Error(`the delegate knows no start of ${other}`);
        return task;
      } finally {
        db.close();
      }
    },
  };
}
