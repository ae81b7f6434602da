// How an image is built: npm installs the IDE by its lock file, its native parts are compiled, checked and tidied.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { attempt, run } from "./command.ts";
import { npmEnvironment } from "./npm-settings.ts";

/** `share` is the estimated part of the whole that is done, 0 to 1; it never goes back. */
export type BuildProgress = { phase: string; share: number };

/** Where each phase ends as a share of the whole, and how long it took when it was measured. */
const phases = {
  fetch: { phase: "fetching the IDE", from: 0, to: 0.2, usualMs: 15_000 },
  compile: { phase: "installing the IDE's libraries and native parts", from: 0.2, to: 0.93, usualMs: 65_000 },
  check: { phase: "checking that the terminal works", from: 0.93, to: 0.95, usualMs: 500 },
  tidy: { phase: "removing what is not needed", from: 0.95, to: 1, usualMs: 2_000 },
} as const;
type Phase = (typeof phases)[keyof typeof phases];

const needed = ["g++", "make", "python3", "pkg-config"] as const;
const neededLibraries = { "krb5-gssapi": "libkrb5-dev", "libsecret-1": "libsecret-1-dev" } as const;

/** Fills `folder`, which holds package.json and package-lock.json. */
export async function installImage(
  folder: string,
  onProgress: (progress: BuildProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  await checkBuildTools();
  const server = join(folder, "node_modules", "code-server");
  const progress = startProgress(onProgress);
  try {
    progress.enter(phases.fetch);
    const watch = setInterval(() => {
      if (existsSync(join(server, "lib/vscode/node_modules"))) progress.enter(phases.compile);
    }, 500);
    await npmCi(folder, signal).finally(() => clearInterval(watch));
    progress.enter(phases.check);
    await check(folder, signal);
    progress.enter(phases.tidy);
    await tidy(folder);
  } finally {
    progress.stop();
  }
  onProgress({ phase: "done", share: 1 });
}

async function checkBuildTools(): Promise<void> {
  const missing: string[] = [];
  for (const program of needed) if (!isOnPath(program)) missing.push(program);
  for (const [library, debianPackage] of Object.entries(neededLibraries)) {
    if (missing.includes("pkg-config") || (await attempt("pkg-config", ["--exists", library])).code !== 0)
      missing.push(debianPackage);
  }
  if (missing.length === 0) return;
  throw fail(
    "unsupported",
    `The IDE's native parts need ${missing.join(", ")}: apt-get install -y ${missing.join(" ")}`,
    { details: { packages: missing } },
  );
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

async function npmCi(folder: string, signal: AbortSignal): Promise<void> {
  const nodeBin = dirname(process.execPath);
  const environment = await npmEnvironment(process.env, signal);
  const child = spawn("npm", ["ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=warn"], {
    cwd: folder,
    env: {
      ...environment,
      PATH: `${nodeBin}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
      // The headers this Node came with; without them the native parts might be built for another one.
      ...(existsSync(join(dirname(nodeBin), "include/node")) ? { npm_config_nodedir: dirname(nodeBin) } : {}),
      NODE_ENV: "production",
    },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-8_000);
    });
  }
  const end = () => {
    // npm's own children, compilers among them, are in its group.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  signal.addEventListener("abort", end);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", (cause) => reject(fail("internal", "npm could not be run. Is it installed?", { cause })));
      child.on("close", resolve);
      if (signal.aborted) end();
    });
    if (signal.aborted) throw fail("cancelled", "The build of the image was stopped.", { retry: "later" });
    if (code !== 0)
      throw fail(
        "internal",
        `npm could not install the IDE (${code}):\n${output.trim().split("\n").slice(-20).join("\n")}`,
      );
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** npm succeeds also when an optional native part did not build, so the parts that matter are tried. */
async function check(folder: string, signal: AbortSignal): Promise<void> {
  const server = join(folder, "node_modules", "code-server");
  const terminal = `const pty = require(${JSON.stringify(join(server, "lib/vscode/node_modules/node-pty"))});
    pty.spawn("/bin/true", [], {}).onExit(({ exitCode }) => process.exit(exitCode));`;
  const trials = [
    ["-e", terminal],
    ["-e", `require(${JSON.stringify(join(server, "lib/vscode/node_modules/@vscode/spdlog"))})`],
    [join(server, "out/node/entry.js"), "--version"],
  ];
  for (const args of trials) {
    const { code, stderr } = await attempt(process.execPath, args, { signal });
    if (code !== 0) throw fail("internal", `The IDE was installed and does not work: ${stderr.trim().slice(-1_000)}`);
  }
}

/** Leftovers of compilers, maps for debuggers and binaries for other systems: about a tenth of the whole. */
async function tidy(folder: string): Promise<void> {
  // Under a strict umask the compilers' files would be for their owner only; VMs have other users.
  await run("chmod", ["-R", "a+rX", "--", folder]);
  const own = `${process.platform}-${process.arch}`;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isForeign = basename(entry.parentPath) === "prebuilds" && entry.isDirectory() && entry.name !== own;
    const isLeftover = entry.isDirectory() && (entry.name === "obj.target" || entry.name === ".deps");
    const isMap = entry.isFile() && /\.(?:js|css|mjs|cjs)\.map$/.test(entry.name);
    if (isForeign || isLeftover || isMap) await rm(path, { recursive: true, force: true });
  }
}

function startProgress(onProgress: (progress: BuildProgress) => void) {
  let current: Phase = phases.fetch;
  let since = performance.now();
  let shown = 0;
  const report = () => {
    // Approaches the end of the phase and reaches it only by the next one, however long this takes.
    const part = 1 - Math.exp((-1.5 * (performance.now() - since)) / current.usualMs);
    shown = Math.max(shown, current.from + (current.to - current.from) * part);
    onProgress({ phase: current.phase, share: shown });
  };
  const timer = setInterval(report, 500);
  return {
    enter(phase: Phase) {
      if (phase === current) return;
      current = phase;
      since = performance.now();
      report();
    },
    stop: () => clearInterval(timer),
  };
}
