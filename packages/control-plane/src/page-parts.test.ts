// The page's pure parts: which address means what, and what a list of events says.
import { expect, test } from "vitest";

type Row = { text: string; mark: string; at: number; endedAt: number | undefined };
type Parts = {
  readNext: (search: string, origin: string) => string | undefined;
  readRoute: (pathname: string) => unknown;
  readTimeline: (events: object[]) => (Row & { title: string; rows: Row[] })[];
};

// Plain scripts of the browser have no types, so they are named here, once.
const load = async (name: string): Promise<Parts> =>
  (await import(new URL(`ui/${name}`, import.meta.url).href)) as Parts;
const { readNext, readRoute } = await load("route.js");
const { readTimeline } = await load("timeline.js");

test.each([
  ["/gitspaces/hello-k3v9x2", "/gitspaces/hello-k3v9x2"],
  ["/sign-in/gitspace?host=a&nonce=b", "/sign-in/gitspace?host=a&nonce=b"],
  ["//example.com/", undefined],
  ["/\\example.com/", undefined],
  ["/\t/example.com/", undefined],
  ["https://example.com/", undefined],
  ["javascript:alert(1)", undefined],
  ["", undefined],
])("after signing in, next=%j leads to %j", (next, expected) => {
  expect(readNext(`?next=${encodeURIComponent(next)}`, "http://localhost:7400")).toBe(expected);
});

test.each([
  ["/", { view: "list" }],
  ["/gitspaces/hello-k3v9x2", { view: "details", id: "hello-k3v9x2" }],
  ["/gitspaces/../admin", { view: "list" }],
])("%s shows %j", (pathname, expected) => {
  expect(readRoute(pathname)).toEqual(expected);
});

let id = 0;
const event = (kind: string, timestamp: number): object => ({ id: ++id, event: kind, message: kind, timestamp });

test("an action holds its phases, each with its own time and end", () => {
  const [start, stop] = readTimeline([
    event("gitspace_action_start", 1_000),
    event("agent_clone_start", 1_100),
    event("log", 1_150),
    event("agent_clone_completed", 1_400),
    event("gitspace_action_start_completed", 1_500),
    event("gitspace_action_stop", 9_000),
    event("infra_stop_start", 9_100),
  ]);
  expect(start).toMatchObject({ title: "Start", mark: "done", at: 1_000, endedAt: 1_500 });
  expect(start?.rows).toMatchObject([{ text: "agent_clone_completed", mark: "done", at: 1_100, endedAt: 1_400 }]);
  expect(stop).toMatchObject({ title: "Stop", mark: "running", rows: [{ mark: "running" }] });
});

test("a failure is shown as one, and what was under way when an action failed has failed with it", () => {
  const [start] = readTimeline([
    event("gitspace_action_start", 1_000),
    event("infra_provisioning_start", 1_100),
    event("infra_vm_creation_start", 1_200),
    event("infra_vm_creation_failed", 1_300),
    event("gitspace_action_start_failed", 1_400),
  ]);
  expect(start).toMatchObject({
    mark: "failed",
    rows: [
      { mark: "failed", endedAt: 1_400 },
      { mark: "failed", endedAt: 1_300 },
    ],
  });
});

test("a reason is told on the phase it belongs to, not on those around it", () => {
  const [start] = readTimeline([
    { ...event("gitspace_action_start", 1_000), message: "Starting" },
    { ...event("agent_gitspace_creation_start", 1_100), message: "Setting up" },
    { ...event("agent_clone_start", 1_200), message: "Cloning" },
    { ...event("agent_clone_failed", 1_300), message: "No such branch." },
    { ...event("agent_gitspace_creation_failed", 1_400), message: "No such branch." },
    { ...event("gitspace_action_start_failed", 1_500), message: "No such branch." },
  ]);
  expect(start).toMatchObject({
    mark: "failed",
    rows: [
      { text: "Setting up", mark: "failed", depth: 0 },
      { text: "No such branch.", mark: "failed", depth: 1 },
    ],
  });
});

test("an action whose end was never told is not shown as running once the next has begun", () => {
  const [first] = readTimeline([
    event("gitspace_action_start", 1_000),
    event("agent_clone_start", 1_100),
    event("gitspace_action_delete", 2_000),
  ]);
  expect(first).toMatchObject({ mark: "unknown", rows: [{ mark: "unknown", endedAt: 2_000 }] });
});
