// What each caller may do here, by the role in its certificate. Whatever is not in the table is refused.
import type { Role } from "@gitspaces/contracts";

export type Route =
  | { name: "status" }
  | { name: "identity" }
  | { name: "take-task" }
  | { name: "task-events"; taskId: string; after: number };

const allowed: Record<Role, readonly Route["name"][]> = {
  runner: ["status", "identity"],
  gateway: ["status", "take-task", "task-events"],
  delegate: [],
  vm: [],
};

/** Whether a role may use a route. */
export function mayUse(role: Role, route: Route["name"]): boolean {
  return allowed[role].includes(route);
}

/** Only the gateway tunnels. */
export function mayConnect(role: Role): boolean {
  return role === "gateway";
}

const EVENTS = /^\/tasks\/([0-9a-fA-F-]{36})\/events$/;

/** The route of a request, or nothing when there is none. */
export function findRoute(method: string, target: string): Route | undefined {
  if (!URL.canParse(target, "https://agent")) return undefined;
  const { pathname, searchParams } = new URL(target, "https://agent");
  if (method === "GET" && pathname === "/status") return { name: "status" };
  if (method === "PUT" && pathname === "/identity") return { name: "identity" };
  if (method === "POST" && pathname === "/tasks") return { name: "take-task" };
  const taskId = method === "GET" ? EVENTS.exec(pathname)?.[1] : undefined;
  if (taskId === undefined) return undefined;
  const after = Number(searchParams.get("after") ?? 0);
  return { name: "task-events", taskId, after: Number.isSafeInteger(after) && after > 0 ? after : 0 };
}
