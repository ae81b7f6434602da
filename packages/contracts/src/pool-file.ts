// pool.yml: which VMs a runner keeps. The existing product's format, our names preferred, strict.
import { z } from "zod";
import { PoolName } from "./names.ts";
import { BranchName, RepositoryUrl } from "./task.ts";

const count = z.int("should be a whole number").min(0, "should be 0 or more");

/** The process provider's own settings. */
export const ProcessSpec = z.strictObject({
  /** Name of the image under the data folder's `images`. */
  image: z.string().default("default"),
});

/** The docker provider's own settings. */
export const DockerSpec = z.strictObject({
  /** The VM image's name in the engine. */
  image: z.string().min(1).default("gitspaces/vm:latest"),
  machine: z
    .strictObject({
      cpus: z.number().min(0.1, "should be 0.1 or more").default(2),
      memory_mb: z.int().min(256, "should be 256 or more").default(4_096),
      pids: z.int().min(64, "should be 64 or more").default(4_096),
    })
    .prefault({}),
  preload: z
    .strictObject({
      /** Dev container images that a VM has before it counts as warm. */
      images: z.array(z.string().min(1)).default([]),
      /** A repository that each VM of the pool holds as a clone with its dev container built; only its own Gitspaces get these VMs. */
      repository: z
        .strictObject({
          url: RepositoryUrl,
          branch: BranchName.optional(),
          devcontainer_path: z.string().min(1).optional(),
          organisation: z.string().min(1).default("default"),
          /** A VM that has waited for longer is replaced by one that holds what is new, minutes. */
          refresh_minutes: z.int().min(1, "should be 1 or more").default(60),
          /** `user:password` that may read the repository; wiped from the VM before it counts as warm. */
          credential_file: z.string().min(1).optional(),
        })
        .optional(),
    })
    .prefault({}),
});

const instance = {
  name: PoolName,
  default: z.boolean().optional(),
  /** How many stand ready (the existing product: `pool`). */
  warm: count.optional(),
  pool: count.optional(),
  /** Hard ceiling over every VM that is not gone (the existing product: `limit`). */
  max: count.min(1, "should be 1 or more").optional(),
  limit: count.optional(),
  platform: z
    .strictObject({ os: z.literal("linux").default("linux"), arch: z.enum(["amd64", "arm64"]).default("amd64") })
    .optional(),
};

export const PoolInstance = z
  .discriminatedUnion("type", [
    z.strictObject({ ...instance, type: z.literal("process"), spec: ProcessSpec.optional() }),
    z.strictObject({ ...instance, type: z.literal("docker"), spec: DockerSpec.optional() }),
  ])
  .check((context) => {
    const { value } = context;
    for (const [ours, theirs] of [
      ["warm", "pool"],
      ["max", "limit"],
    ] as const) {
      if (value[ours] === undefined || value[theirs] === undefined) continue;
      context.issues.push({
        code: "custom",
        input: value,
        path: [theirs],
        message: `"${ours}" and "${theirs}" say the same thing; keep "${ours}"`,
      });
    }
  });

export type PoolInstance = z.infer<typeof PoolInstance>;

export const PoolFile = z.strictObject({
  version: z.literal("1"),
  instances: z.array(PoolInstance).min(1, "should name at least one pool"),
});
export type PoolFile = z.infer<typeof PoolFile>;

/** A pool as the rest of the code sees it: nothing optional, one spelling. */
export type PoolSpec = {
  name: string;
  type: "process" | "docker";
  warm: number;
  max: number;
  image: string;
  isDefault: boolean;
  /** The limits of each VM, where the provider can set them. */
  machine?: Machine;
  preload?: Preload;
};
export type Machine = { cpus: number; memoryMb: number; pids: number };
/** What a VM holds before it counts as warm. */
export type Preload = { images: string[]; repository?: PreloadedRepository };
export type PreloadedRepository = {
  url: string;
  branch?: string;
  devcontainerPath?: string;
  organisation: string;
  refreshMs: number;
  credentialFile?: string;
};
