// Each way of being ill, and the part that is blamed for it.
import type { DelegateHealth, GatewayHealth, InstallationHealth } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { diagnose } from "./diagnosis.ts";

const now = 1_800_000_000_000;
const ok = { outcome: "ok", took_ms: 12, message: null } as const;
const delegate: DelegateHealth = {
  identifier: "d-1",
  name: "local",
  tags: ["eu"],
  connected: true,
  last_heard: now - 4_000,
  free_slots: 16,
  held_tasks: 0,
  runner: ok,
  pools: [{ name: "default", warm: 2, target: 2, taken: 2, max: 10, trouble: null }],
};
const gateway: GatewayHealth = { name: "g", version: "1", healthy: true, connected: true, last_heard: now, routes: 3 };
const well: InstallationHealth = {
  checked_at: now,
  control_plane: { ready: true, message: null },
  delegates: [delegate],
  gateways: [gateway],
  agent: { gitspace_identifier: "hello-k3v9x2", round_trip: ok },
  tasks: { offered: 0, acquired: 0 },
};
const lost = (outcome: "not_taken" | "no_answer") => ({ outcome, took_ms: null, message: null });
const logOf = (daemon: string) => `LOG(${daemon})`;
const faults = (health: InstallationHealth) => diagnose(health, logOf).filter(({ state }) => state === "wrong");

test("what is well is told part by part, and nothing is blamed", () => {
  const findings = diagnose(well, logOf);
  expect(findings.map(({ part, state }) => `${part} ${state}`)).toEqual([
    "control plane ok",
    "delegate ok",
    "runner ok",
    "pool default ok",
    "gateway ok",
    "agent ok",
  ]);
  expect(findings.every(({ cure }) => cure === null)).toBe(true);
});

const pool = (change: object) => ({
  ...well,
  delegates: [{ ...delegate, pools: [{ ...delegate.pools![0]!, ...change }] }],
});

test.each<[string, InstallationHealth, string, string]>([
  ["a full disk", { ...well, control_plane: { ready: false, message: "disk full" } }, "control plane", "control-plane"],
  ["no delegate ever", { ...well, delegates: [] }, "delegate", "GITSPACES_CONTROL_PLANE_URL"],
  [
    "a lost delegate",
    { ...well, delegates: [{ ...delegate, connected: false, runner: null, pools: null }] },
    "delegate",
    "LOG(delegate)",
  ],
  [
    "a delegate that takes nothing",
    { ...well, delegates: [{ ...delegate, runner: lost("not_taken") }] },
    "delegate",
    "paused",
  ],
  [
    "a delegate without room",
    { ...well, delegates: [{ ...delegate, free_slots: 0, runner: lost("not_taken") }] },
    "delegate",
    "GITSPACES_SLOTS",
  ],
  [
    "an only delegate that is not selected",
    { ...well, delegates: [{ ...delegate, runner: null, pools: null }] },
    "delegate",
    "GITSPACES_TAGS",
  ],
  [
    "a silent runner",
    { ...well, delegates: [{ ...delegate, runner: lost("no_answer"), pools: null }] },
    "runner",
    "LOG(redis)",
  ],
  ["a pool that makes no VM", pool({ trouble: "out of addresses" }), "pool default", "LOG(runner)"],
  ["a full pool", pool({ warm: 0, taken: 10 }), "pool default", "pool.yml"],
  ["a lost gateway", { ...well, gateways: [{ ...gateway, connected: false }] }, "gateway", "LOG(gateway)"],
  ["an unhealthy gateway", { ...well, gateways: [{ ...gateway, healthy: false }] }, "gateway", "LOG(gateway)"],
  [
    "a silent agent",
    { ...well, agent: { gitspace_identifier: "a-bbbbbb", round_trip: lost("no_answer") } },
    "agent",
    "gitspaces stop a-bbbbbb",
  ],
])("%s blames one part and says what to do", (_what, health, part, cure) => {
  const found = faults(health);
  expect(found.map((each) => each.part)).toEqual([part]);
  expect(found[0]?.cure).toContain(cure);
});

test("a delegate that is not selected is told and is no fault where another one is", () => {
  const spare = { ...delegate, name: "spare", runner: null, pools: null };
  const health = { ...well, delegates: [delegate, spare] };
  expect(faults(health)).toEqual([]);
  const told = diagnose(health, logOf).filter(({ state }) => state === "unknown");
  expect(told).toMatchObject([{ part: "delegate", message: expect.stringContaining("spare [eu] gets no tasks") }]);
});

test("that no Gitspace runs is no fault", () => {
  expect(faults({ ...well, agent: null })).toEqual([]);
});
