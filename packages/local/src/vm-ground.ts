// What the VMs of a local installation stand on: this machine's own namespaces, or its Docker engine. Chosen once.
import { findEngine } from "./docker-engine.ts";
import { processGround } from "./process-ground.ts";
import type { ProviderKind } from "./provider-choice.ts";
import type { News } from "./report.ts";

export type GroundWanted = {
  dataFolder: string;
  installation: string;
  /** Where agents enrol; no program of a person has any business there. */
  enrolmentPort: number;
  /** Ports of this machine that the programs in VMs may reach. */
  hostPorts: number[];
  tell: (news: News) => void;
  signal: AbortSignal;
};

/** Closing it removes what only a running installation needs; the VMs are turned off before. */
export type OpenGround = AsyncDisposable & {
  /** This machine as its VMs reach it. */
  readonly hostAddress: string;
  /** VMs do not keep people apart. */
  readonly singleUser: boolean;
  /** What the runner is told of it, by variable. */
  readonly runnerSettings: Record<string, string>;
  /** Finds the VMs' image or builds it, telling how far it is. */
  ensureImage(): Promise<void>;
};

export interface VmGround {
  readonly kind: ProviderKind;
  /** The Docker engine under it, as DOCKER_HOST has it. */
  readonly engine?: string;
  /** The pool of a new data folder, below its name and numbers, in YAML. */
  readonly poolSpec: string;
  /** @throws {FailureError} `unsupported` with the cure when this machine cannot carry VMs so. */
  open(wanted: GroundWanted): Promise<OpenGround>;
  /** Turns every VM of an installation off; disks stay. */
  powerOffVms(dataFolder: string): Promise<void>;
  /** Whatever else of it a killed supervisor left. */
  clear(dataFolder: string): Promise<void>;
}

/** @throws {FailureError} `unsupported` when the kind needs an engine and none answers. */
export async function groundOf(kind: ProviderKind, env: NodeJS.ProcessEnv): Promise<VmGround> {
  if (kind === "process") return processGround;
  const { dockerGround } = await import("./docker-ground.ts");
  return dockerGround(await findEngine(env));
}
