// A real agent as its own process, with everything around it that it needs: authority, enrolment, image, folders.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Caller } from "./caller.ts";
import {
  type Authority,
  type EnrolmentListener,
  INSTALLATION,
  makeAuthority,
  startEnrolment,
} from "./certificate-authority.ts";
import { type ControlPlane, GITSPACE, makeControlPlane } from "./control-plane.ts";

const here = import.meta.dirname;
export const SAMPLE = join(here, "sample");

export type Site = AsyncDisposable & {
  folder: string;
  authority: Authority;
  enrolment: EnrolmentListener;
  controlPlane: ControlPlane;
  image: string;
};

/** What all agents of a test file share. */
export async function openSite(): Promise<Site> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "agent-site-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const controlPlane = await makeControlPlane();
  const authority = await makeAuthority(folder, controlPlane.keys);
  const enrolment = opened.use(await startEnrolment(authority, controlPlane.keys));
  const image = process.env["GITSPACES_TEST_IMAGE"] ?? makeImage(folder);
  const close = opened.move();
  return {
    folder,
    authority,
    enrolment,
    controlPlane,
    image,
    [Symbol.asyncDispose]: async () => await close.disposeAsync(),
  };
}

/** An image folder whose code-server is the stand-in. */
export function makeImage(folder: string): string {
  const image = join(mkdtempSync(join(folder, "image-")), "image");
  const entry = join(image, "node_modules/code-server/out/node");
  mkdirSync(entry, { recursive: true });
  cpSync(join(here, "stand-in-ide.mjs"), join(entry, "entry.js"));
  writeFileSync(join(image, "node_modules/code-server/package.json"), '{"type":"module"}');
  return image;
}

type Options = { image?: string; attached?: boolean; env?: Record<string, string> };

export class AgentVm implements AsyncDisposable {
  readonly site: Site;
  readonly folder: string;
  readonly instanceId = `vm-${randomBytes(4).toString("hex")}`;
  readonly log: Record<string, unknown>[] = [];
  readonly #options: Options;
  #process: ChildProcess | undefined;
  port = 0;

  constructor(site: Site, options: Options = {}) {
    this.site = site;
    this.#options = options;
    this.folder = mkdtempSync(join(site.folder, "vm-"));
    const token = randomBytes(24).toString("hex");
    site.enrolment.tokens.set(token, this.instanceId);
    const metadata = { enrolUrl: site.enrolment.url, caFingerprint: site.authority.fingerprint, token };
    writeFileSync(join(this.folder, "metadata.json"), JSON.stringify({ ...metadata, instanceId: this.instanceId }));
    mkdirSync(this.home);
    if (options.attached !== false) this.attachDisk();
  }

  get home(): string {
    return join(this.folder, "home");
  }

  get state(): string {
    return join(this.folder, "state");
  }

  attachDisk(): void {
    mkdirSync(join(this.home, ".gitspaces"), { recursive: true });
    writeFileSync(join(this.home, ".gitspaces/disk"), GITSPACE);
  }

  /** Starts the agent and waits until it serves. */
  async start(): Promise<void> {
    const main = join(here, "../main.ts");
    const child = spawn(process.execPath, [main], {
      env: {
        ...process.env,
        GITSPACES_METADATA_FILE: join(this.folder, "metadata.json"),
        GITSPACES_STATE_FOLDER: this.state,
        GITSPACES_LISTEN: "127.0.0.1:0",
        GITSPACES_HOME: this.home,
        GITSPACES_IMAGE_FOLDER: this.#options.image ?? this.site.image,
        GITSPACES_ISOLATION: "none",
        ...this.#options.env,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    const ready = Promise.withResolvers<void>();
    child.once("exit", () => ready.reject(new Error(`the agent ended: ${JSON.stringify(this.log.slice(-3))}`)));
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      this.log.push(line);
      if (typeof line["port"] === "number") this.port = line["port"];
      if (line["msg"] === "agent ready") ready.resolve();
    });
    await ready.promise;
  }

  /** Whether the agent's process is over. */
  get ended(): boolean {
    return this.#process?.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Starts without this variable from now on. */
  forget(variable: string): void {
    delete this.#options.env?.[variable];
  }

  /** Ends the agent's process and nothing else. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }

  async as(role: "runner" | "gateway" | "delegate" | "vm", installation?: string): Promise<Caller> {
    return new Caller(await this.site.authority.caller(role, `${role}-1`, installation), this.port, INSTALLATION);
  }

  /** Gives the VM its identity, as the runner does. */
  async claim(generation = 1): Promise<Record<string, unknown>> {
    const identity = { gitspaceId: GITSPACE, generation, taskId: crypto.randomUUID(), homeDisk: GITSPACE };
    const reply = await (await this.as("runner")).call("PUT", "/identity", identity);
    if (reply.status !== 200) throw new Error(`not claimed: ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGTERM");
  }
}

/** A started agent. */
export async function startVm(site: Site, options?: Options): Promise<AgentVm> {
  const vm = new AgentVm(site, options);
  await vm.start();
  return vm;
}
