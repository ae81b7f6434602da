// An agent is configured by its environment alone, and by the metadata file of its instance.
import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { AgentMetadata, fail, parse } from "@gitspaces/contracts";
import { address, loadConfig } from "@gitspaces/daemon";
import { z } from "zod";

const folder = z.string().refine((path) => isAbsolute(path), "should be an absolute path");

const Environment = z.object({
  metadataFile: z.string().min(1),
  stateFolder: folder,
  listen: address.default({ host: "0.0.0.0", port: 8083 }),
  /** The person's home folder; the home disk appears in its place. */
  home: folder,
  /** Holds code-server. */
  imageFolder: folder,
  isolation: z.enum(["namespace", "none"]).default("namespace"),
  /** Where programs of the person run: in the VM itself, or in a dev container of the VM's own engine. */
  workplace: z.enum(["in-place", "dev-container"]).default("in-place"),
  /** With dev containers: starts and stops the VM's engine; its one argument is `start` or `stop`. */
  engineCommand: folder.optional(),
  /** With dev containers and an engine command: where that engine listens, writes its log, and keeps images and volumes. */
  engineSocket: folder.default("/run/docker.sock"),
  engineLog: folder.default("/var/log/gitspaces-engine.log"),
  engineStore: folder.default("/var/lib/docker"),
  /** With dev containers: whether the engine goes on while the VM waits for a Gitspace; it costs memory and saves half a second. */
  warmEngine: z.enum(["stopped", "running"]).default("stopped"),
  /** With dev containers: archives of images, `<SHA-256 of the name>.tar`, for what the VM is to hold before anyone comes. */
  imagesFolder: folder.default("/var/lib/gitspaces/images"),
  /** With dev containers: holds what is prepared of a pool's repository, until a Gitspace has taken it. */
  preparedFolder: folder.default("/var/lib/gitspaces/prepared"),
  /** With dev containers: the volume that holds the person's home folder. */
  homeVolume: z.string().min(1).default("gitspace-home"),
  /** With dev containers: what repositories may ask of the VM, as YAML or JSON; nothing beyond their container otherwise. */
  policyFile: folder.optional(),
  /** With dev containers: the image of a Gitspace that names none, and of recovery. */
  defaultImage: z.string().min(1).default("gitspaces/dev-container:latest"),
});

export type AgentConfig = z.infer<typeof Environment> & { metadata: AgentMetadata };

/** The agent's configuration. @throws {FailureError} `bad_request` naming what is missing or wrong. */
export function readConfig(env: NodeJS.ProcessEnv): AgentConfig {
  const config = loadConfig(Environment, { env, argv: [] });
  return { ...config, metadata: parse(AgentMetadata, readJson(config.metadataFile), config.metadataFile) };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw fail("bad_request", `The metadata file ${file} could not be read: ${(cause as Error).message}`, {
      field: "metadataFile",
      cause,
    });
  }
}
