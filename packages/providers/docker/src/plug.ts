// The plug: one long-lived container per installation that brings disks into running VMs and takes them out again. It sees the
// machine's processes and the engine's volumes and is as powerful as the engine's socket; nothing of a VM ever runs in it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type InstanceId, fail } from "@gitspaces/contracts";
import { z } from "zod";
import { archiveOf } from "./archive.ts";
import { type Engine, filters } from "./engine.ts";
import { isStatus } from "./engine-error.ts";
import { type Names, mark } from "./names.ts";

const script = readFileSync(new URL("plug.pl", import.meta.url), "utf8");
const PERL = "/usr/bin/perl";
const SCRIPT = "/plug.pl";
const PLUG_MB = 64;

/** A disk and the VM's process that it goes into or comes out of. `version` is that of the disk's record. */
export type Plugging = {
  disk: string;
  vm: InstanceId;
  /** Of the VM's container. */
  container: string;
  image: string;
  version: number;
};

const Id = z.looseObject({ Id: z.string() });
const State = z.looseObject({ State: z.looseObject({ Status: z.string(), Pid: z.int() }) });
const Ended = z.looseObject({ ExitCode: z.int().nullable() });

export type Plug = ReturnType<typeof plugOf>;

/** The plug of an installation; its container is made when first needed and replaced when it is broken. */
export function plugOf(engine: Engine, names: Names) {
  const print = createHash("sha256").update(script).digest("hex").slice(0, 8);
  const name = names.plug(print);

  async function make(image: string, signal: AbortSignal): Promise<void> {
    const { DockerRootDir } = await engine.ask(z.looseObject({ DockerRootDir: z.string() }), "GET", "/info", {
      signal,
    });
    const body = {
      Image: image,
      Entrypoint: [PERL, "-e", "$SIG{TERM} = sub { exit 0 }; sleep 60 while 1"],
      Cmd: [],
      Env: [],
      User: "0:0",
      Healthcheck: { Test: ["NONE"] },
      StopSignal: "SIGTERM",
      Labels: { [mark.installation]: names.installation, [mark.kind]: "plug" },
      HostConfig: {
        PidMode: "host",
        CgroupnsMode: "host",
        NetworkMode: "none",
        CapDrop: ["ALL"],
        CapAdd: ["SYS_ADMIN", "SYS_PTRACE", "SYS_CHROOT", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER"],
        SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
        Mounts: [
          {
            Type: "bind",
            Source: `${DockerRootDir}/volumes`,
            Target: "/volumes",
            BindOptions: { Propagation: "rslave" },
          },
        ],
        RestartPolicy: { Name: "unless-stopped" },
        Memory: PLUG_MB * 1_048_576,
        PidsLimit: 64,
        LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "1" } },
      },
    };
    // 409: another runner makes it at this moment.
    if (await engine.tellUnless([409], "POST", "/containers/create", { query: { name }, body, signal })) {
      const archive = archiveOf([{ path: "plug.pl", mode: 0o400, text: script }]);
      await engine.tell("PUT", `/containers/${name}/archive`, { query: { path: "/" }, archive, signal });
    }
    await engine.tell("POST", `/containers/${name}/start`, { signal });
  }

  async function exec(
    command: readonly string[],
    signal: AbortSignal,
    input?: NodeJS.ReadableStream,
  ): Promise<{ code: number | null; said: string }> {
    const isFed = input !== undefined;
    const body = { Cmd: command, AttachStdin: isFed, AttachStdout: true, AttachStderr: true, Tty: !isFed };
    const { Id: id } = await engine.ask(Id, "POST", `/containers/${name}/exec`, { body, signal });
    const start = { body: { Detach: false, Tty: true }, signal };
    const said = isFed ? await engine.feed(id, input, signal) : await engine.bytes("POST", `/exec/${id}/start`, start);
    const { ExitCode: code } = await engine.ask(Ended, "GET", `/exec/${id}/json`, { signal });
    return { code, said: (said ?? "").toString().trim().slice(-400) };
  }

  /** Runs a command in the container, in a new one when there is none or the old one does not work. */
  async function run(command: readonly string[], image: string, signal: AbortSignal, input?: NodeJS.ReadableStream) {
    for (let tries = 0; ; tries += 1) {
      try {
        const ended = await exec(command, signal, input);
        // Codes of a program or script that is not there: its maker died before it put it there.
        const isBroken = ended.code === null || ended.code === 2 || ended.code >= 126;
        if (!isBroken || tries > 0 || input !== undefined) return ended;
        await engine.tellUnless([404, 409], "DELETE", `/containers/${name}`, {
          query: { force: true, v: true },
          signal,
        });
      } catch (error) {
        // 404: there is none. 409: it does not run. 400: it is being removed.
        if (tries >= 2 || !isStatus(error, 404, 409, 400)) throw error;
      }
      await make(image, signal);
    }
  }

  async function act(deed: "plug" | "unplug", { disk, vm, container, image, version }: Plugging, signal: AbortSignal) {
    const state = await engine.ask(State, "GET", `/containers/${container}/json`, { signal });
    const { Pid: pid } = state.State;
    if (pid === 0) return;
    const command = [PERL, SCRIPT, deed, String(pid), container, names.disk(disk), String(version), disk];
    const { code, said } = await run(command, image, signal);
    if (code === 0 || code === GONE) return;
    throw refusal(code, said, disk, vm);
  }

  return {
    /** Brings a disk into a VM; nothing when the VM does not run. Repeating it changes nothing. */
    plug: (given: Plugging, signal: AbortSignal) => act("plug", given, signal),
    /** Takes it out. @throws {FailureError} `conflict` while something in the VM still has it. */
    unplug: (given: Plugging, signal: AbortSignal) => act("unplug", given, signal),
    /**
     * Runs a constant shell script with arguments `$0`, `$1` and so on where the engine's volumes are at `/volumes`; gives what it
     * printed. @throws {FailureError} `internal` with its last words; `no_capacity` when the disk is full.
     */
    async shell(
      constant: string,
      args: readonly string[],
      image: string,
      signal: AbortSignal,
      input?: NodeJS.ReadableStream,
    ): Promise<string> {
      const { code, said } = await run(["/bin/sh", "-c", constant, ...args], image, signal, input);
      if (code === 0) return said;
      throw fail(/no space left/i.test(said) ? "no_capacity" : "internal", `The plug container: ${said} (${code})`);
    },
    /** Removes plugs of other versions of the script. */
    async sweep(signal: AbortSignal): Promise<void> {
      const label = [`${mark.installation}=${names.installation}`, `${mark.kind}=plug`];
      const found = await engine.ask(
        z.array(z.looseObject({ Id: z.string(), Names: z.array(z.string()) })),
        "GET",
        "/containers/json",
        {
          query: { all: true, ...filters({ label }) },
          signal,
        },
      );
      for (const each of found.filter(({ Names }) => !Names.includes(`/${name}`))) {
        await engine.tellUnless([404, 409], "DELETE", `/containers/${each.Id}`, {
          query: { force: true, v: true },
          signal,
        });
      }
    },
  };
}

const GONE = 6;

function refusal(code: number | null, said: string, disk: string, vm: InstanceId) {
  const message = `The disk ${disk} and the VM ${vm}: ${said}`;
  if (code === 3) return fail("unsupported", message);
  if (code === 4) return fail("not_found", message);
  if (code === 5 || code === 7 || code === 8) return fail("conflict", message);
  return fail("internal", `${message} (${code})`);
}
