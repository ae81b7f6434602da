// Where everything listens: fixed offsets from one port base, so that two installations stand side by side.
import { createServer } from "node:net";
import { fail } from "@gitspaces/contracts";
import { findListener } from "./listener.ts";

/** Offsets from `--port-base`. Admin ports (`/healthz`, `/readyz`, `/metrics`) stay on loopback. */
export const portOffsets = {
  control_plane: 0,
  gateway: 1,
  gateway_ssh: 2,
  gateway_tasks: 3,
  enrolment: 4,
  redis: 5,
  sample: 6,
  control_plane_admin: 10,
  delegate_admin: 11,
  runner_admin: 12,
  gateway_admin: 13,
  spare_admin: 14,
} as const;

export type Ports = Record<keyof typeof portOffsets, number>;

export const DEFAULT_PORT_BASE = 7400;
const HIGHEST_BASE = 65_535 - 14;

/** The ports of an installation. @throws {FailureError} `bad_request` when the base leaves no room for them. */
export function portsFrom(base: number): Ports {
  if (!Number.isInteger(base) || base < 1_024 || base > HIGHEST_BASE) {
    throw fail("bad_request", `--port-base should be a whole number from 1024 to ${HIGHEST_BASE}.`, {
      field: "port-base",
    });
  }
  return Object.fromEntries(Object.entries(portOffsets).map(([name, offset]) => [name, base + offset])) as Ports;
}

/** @throws {FailureError} `conflict` naming the first port that is taken, who holds it where that can be known, and the cure. */
export async function checkPorts(ports: Ports): Promise<void> {
  const taken = await Promise.all(
    Object.entries(ports).map(async ([name, port]) => ((await isFree(port)) ? undefined : { name, port })),
  );
  const first = taken.find((each) => each !== undefined);
  if (first === undefined) return;
  const holder = findListener(first.port);
  const by = holder === undefined ? "another process" : `${holder.command} (pid ${holder.pid})`;
  const what = first.name.replaceAll("_", " ");
  throw fail(
    "conflict",
    `Port ${first.port} (${what}) is in use by ${by}. ` +
      `Stop it, or choose other ports: bin/up --port-base ${suggestion(ports.control_plane)}`,
    { field: "port-base", details: { port: first.port, ...(holder === undefined ? {} : { pid: holder.pid }) } },
  );
}

function suggestion(base: number): number {
  return base + 100 > HIGHEST_BASE ? DEFAULT_PORT_BASE : base + 100;
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once("error", () => resolve(false));
  probe.listen({ host: "127.0.0.1", port, exclusive: true }, () => probe.close(() => resolve(true)));
  return promise;
}
