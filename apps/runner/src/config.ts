// The runner's configuration: read once, from a file or GITSPACES_* variables.
import { address, commaList, commonConfig, secretFile } from "@gitspaces/daemon";
import { isRedisUrl, REDIS_URL_FORMS } from "@gitspaces/daemon/redis";
import { z } from "zod";
import { CERTIFICATE_LIFE_MS } from "./certificate-life.ts";

/** A single port in a variable arrives as a number. */
const ports = z
  .union([z.number().transform((port) => [String(port)]), commaList])
  .transform((items) => items.map(Number))
  .pipe(z.array(z.int("should be port numbers, such as 7404,7405").min(1).max(65_535)));

const seconds = (count: number) => count * 1_000;

export const RunnerConfig = z.strictObject({
  ...commonConfig,
  /** The user is in the URL, the password in its file. */
  redisUrl: z.string().refine(isRedisUrl, REDIS_URL_FORMS),
  redisPasswordFile: secretFile.optional(),
  redisDurability: z.enum(["required", "managed", "development"]).default("required"),
  poolFile: z.string().min(1),
  provider: z.enum(["process", "docker"], { error: "should be process or docker" }).default("process"),
  /** Of the process provider. */
  isolation: z.enum(["namespace", "none"]).default("namespace"),
  /** Of the process provider, which needs it. */
  imagesFolder: z.string().min(1).optional(),
  enrolListen: address,
  /** As VMs and daemons reach the enrolment listener. */
  enrolUrl: z.url({ protocol: /^https$/, error: "should be an https URL, such as https://10.74.0.1:7404" }),
  /** Of the process provider. */
  vmNetwork: z.string().optional(),
  vmHostPorts: ports.default([]),
  /** Of the docker provider: where its engine listens. A socket only, for whoever reaches an engine is root on its machine. */
  dockerSocket: z
    .string()
    .regex(/^(unix:\/\/)?\/.+/, "should be the path of a Unix socket, such as /var/run/docker.sock")
    .transform((path) => path.replace(/^unix:\/\//, ""))
    .default("/var/run/docker.sock"),
  /** Of the docker provider: the bridge that VMs are on, made when it is missing; `gs-<installation>` by default. */
  dockerNetwork: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, "should be a Docker network's name, such as gitspaces")
    .optional(),
  /** Of the docker provider: private addresses that VMs may reach, such as 172.20.0.1:7404. */
  egressAllow: commaList
    .pipe(
      z.array(
        z.string().regex(/^[0-9a-fA-F.:[\]]+(\/\d{1,3})?(:\d{1,5})?$/, "should be ADDRESS[/BITS][:PORT], by comma"),
      ),
    )
    .default([]),
  controlPlaneKeysFile: z.string().min(1),
  delegateEnrolTokenFile: secretFile,
  gatewayEnrolTokenFile: secretFile,
  /** How long a certificate is valid, milliseconds; it is renewed at two thirds of that. Of a CA being replaced, what is longest counts. */
  certificateLifeMs: z.int().min(seconds(5)).default(CERTIFICATE_LIFE_MS),
  /** How long a VM may take until its agent is ready, milliseconds. */
  vmStartMs: z.int().min(1_000).default(seconds(60)),
  /** How often records and provider are compared, milliseconds. */
  sweepMs: z.int().min(100).default(seconds(15)),
  /**
   * How long a task stays with a runner that was last heard of, milliseconds; then another runner takes it. A runner that pauses
   * for longer loses its tasks; what it still does to them afterwards has no effect.
   */
  taskLockMs: z.int().min(1_000).default(seconds(15)),
});
export type RunnerConfig = z.infer<typeof RunnerConfig>;
