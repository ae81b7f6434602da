// The gateway's processes on this data folder: each tells by a file of its own who it is, so that they find each other by pid.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** A pid comes back for another process, a pid with its start (the boot's id, and clock ticks since) does not. */
export const Identity = z.object({ pid: z.int().min(1), started: z.string() });
export type Identity = z.infer<typeof Identity>;
const Member = Identity.extend({
  /** The current one listens; an old one serves on who it has. */
  role: z.enum(["current", "old"]),
  /** Milliseconds since the epoch. */
  since: z.number(),
  /** Why the last hand-over from this process failed, and when. */
  failed: z.object({ at: z.number(), reason: z.string() }).optional(),
});
export type Member = z.infer<typeof Member>;

export class Crew {
  readonly #folder: string;
  readonly self = identify(process.pid) ?? { pid: process.pid, started: "" };
  #own: Member | undefined;

  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, "gateway", "processes");
  }

  /** Tells of this process. */
  tell(role: Member["role"], failed?: Member["failed"]): void {
    const since = this.#own?.role === role ? this.#own.since : Date.now();
    this.#own = { ...this.self, role, since, ...(failed === undefined ? {} : { failed }) };
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#fileOf(this.self.pid);
    writeFileSync(`${file}.new`, JSON.stringify(this.#own), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  forget(): void {
    rmSync(this.#fileOf(this.self.pid), { force: true });
  }

  get role(): Member["role"] | undefined {
    return this.#own?.role;
  }

  /** Every other one that lives. Files of the dead are removed on the way. */
  others(): Member[] {
    return this.#names().flatMap((name) => {
      const member = this.#read(name);
      if (member === undefined || member.pid === this.self.pid) return [];
      if (isAlive(member)) return [member];
      rmSync(join(this.#folder, name), { force: true });
      return [];
    });
  }

  #fileOf(pid: number): string {
    return join(this.#folder, `${pid}.json`);
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => /^\d+\.json$/.test(name));
    } catch {
      return [];
    }
  }

  #read(name: string): Member | undefined {
    try {
      return Member.safeParse(JSON.parse(readFileSync(join(this.#folder, name), "utf8"))).data;
    } catch {
      return undefined;
    }
  }
}

/** The identity of a living process; nothing when there is none, or only its zombie. */
export function identify(pid: number): Identity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces and parentheses itself; what follows the last one is regular.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : { pid, started: `${bootId()}/${rest[18]}` };
  } catch {
    return undefined;
  }
}

let knownBootId: string | undefined;
function bootId(): string {
  knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return knownBootId;
}

export function isAlive({ pid, started }: Identity): boolean {
  return identify(pid)?.started === started;
}

/** Sends a signal to exactly this process, if it is there. */
export function signalTo(identity: Identity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Whose connections are to be closed so that no more than `most` old processes stay: the oldest ones'. */
export function tooOld(members: readonly Member[], most: number): Member[] {
  const old = members.filter(({ role }) => role === "old").toSorted((a, b) => a.since - b.since);
  return old.slice(0, Math.max(0, old.length - most));
}
