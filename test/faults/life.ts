// The life of one Gitspace as a person leads it, who tries again when the control plane does not answer.
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { idePage } from "../e2e/session.ts";
import type { Act } from "./crash-plan.ts";
import type { House } from "./house.ts";

type State = "running" | "stopped" | "error" | "gone" | "busy";
export type Outcome = { state: Exclude<State, "busy">; reason: string };
type Answer = {
  status: number;
  body: { state?: string; detail?: string; instance?: { error_message?: string } | null; identifier?: string };
};

const PATIENCE_MS = 60_000;
const final: Record<string, State> = { running: "running", stopped: "stopped", error: "error" };

/** A client that waits for a control plane that is away; any other trouble it throws. */
export function person(house: House) {
  async function ask(method: string, path: string, body?: unknown, key?: string): Promise<Answer> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        const response = await fetch(new URL(`/api/v1/${path}`, house.system.up.ui), {
          method,
          headers: {
            authorization: `Bearer ${house.system.adminToken}`,
            "content-type": "application/json",
            ...(key && { "idempotency-key": key }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(10_000),
        });
        const text = await response.text();
        if (response.status < 500)
          return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Answer["body"]) };
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
      await sleep(50);
    }
  }

  async function stateOf(id: string): Promise<{ state: State; reason: string }> {
    const { status, body } = await ask("GET", `gitspaces/${id}`);
    if (status === 404) return { state: "gone", reason: "" };
    return { state: final[body.state ?? ""] ?? "busy", reason: body.instance?.error_message ?? "" };
  }

  return {
    async create(url: string): Promise<string> {
      const { status, body } = await ask("POST", "gitspaces", { code_repo_url: url }, randomUUID());
      if (status !== 201 || body.identifier === undefined) throw new Error(`create: ${status} ${body.detail ?? ""}`);
      return body.identifier;
    },
    /** Asks for an action; a repetition is told that it is under way already. */
    async ask(id: string, act: Act): Promise<void> {
      const { status, body } =
        act === "delete"
          ? await ask("DELETE", `gitspaces/${id}`)
          : await ask("POST", `gitspaces/${id}/actions`, { action: act === "restart" ? "start" : act });
      if (status >= 400 && status !== 404 && status !== 409) throw new Error(`${act}: ${status} ${body.detail ?? ""}`);
    },
    stateOf,
    /** Waits until nothing is under way. @throws after a minute. */
    async outcome(id: string, within = PATIENCE_MS): Promise<Outcome> {
      const deadline = performance.now() + within;
      for (;;) {
        const { state, reason } = await stateOf(id);
        if (state !== "busy") return { state, reason };
        if (performance.now() > deadline) throw new Error(`I8: ${id} is still under way after ${within / 1_000} s`);
        await sleep(50);
      }
    },
    /** Whether the workbench opens through the gateway, as in a browser. */
    async opens(id: string): Promise<boolean> {
      const deadline = performance.now() + 15_000;
      for (;;) {
        const page = await idePage(house.system, house.api, id).catch(() => undefined);
        if (page?.status === 200 && page.body.includes("workbench")) return true;
        if (performance.now() > deadline) return false;
        await sleep(100);
      }
    },
    /** A file in the home of a running Gitspace, beside the repository. */
    home: (vm: string) => {
      const home = house.ground.vms(house.data).find(({ id }) => id === vm)?.home;
      if (home === undefined) throw new Error(`the VM ${vm} has no power`);
      const file = join(home, "kept.txt");
      return { write: (text: string) => writeFileSync(file, text), read: () => readFileSync(file, "utf8") };
    },
  };
}
