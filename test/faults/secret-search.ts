// Where a secret must not be: looks for it, in every form it may take on its way, in files, Redis and the processes of the machine.
import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { Redis } from "ioredis";

/** A secret, and the one kind of place where it may stand: paths in the data folder that match `rightful`. */
export type Canary = { name: string; text: string; rightful?: RegExp };
export type Hit = { canary: string; form: string; where: string };
type Needle = { canary: Canary; form: string; bytes: Buffer };

const LARGEST_FILE = 64 * 1024 * 1024;

/** The forms of a secret: as it is, in a URL, in JSON, once and twice escaped, in hex, and inside base64 at each of its three offsets. */
export function formsOf(text: string): Record<string, string> {
  const json = JSON.stringify(text).slice(1, -1);
  const base64 = [0, 1, 2].map((offset) => insideBase64(text, offset));
  const all: Record<string, string> = {
    plain: text,
    url: encodeURIComponent(text),
    form: new URLSearchParams({ "": text }).toString().slice(1),
    json,
    "json in json": JSON.stringify(json).slice(1, -1),
    hex: Buffer.from(text).toString("hex"),
  };
  for (const [offset, encoded] of base64.entries()) {
    all[`base64+${offset}`] = encoded;
    all[`base64url+${offset}`] = encoded.replaceAll("+", "-").replaceAll("/", "_");
  }
  return all;
}

/** The characters of base64 that depend on `text` alone when `offset` other bytes (modulo three) stand before it. */
function insideBase64(text: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]);
  const first = offset === 0 ? 0 : offset + 1;
  return bytes.toString("base64").slice(first, Math.floor((bytes.length * 8) / 6));
}

export type SecretSearch = ReturnType<typeof secretSearch>;

/** A search for these secrets. Everything found is in `hits`, once for each place; `looked` counts the places. */
export function secretSearch(canaries: readonly Canary[]) {
  const needles: Needle[] = canaries.flatMap((canary) => {
    if (canary.text.length < 16) throw new Error(`${canary.name} is too short to be looked for`);
    const distinct = new Map(Object.entries(formsOf(canary.text)).map(([form, text]) => [text, form]));
    return [...distinct].map(([text, form]) => ({ canary, form, bytes: Buffer.from(text) }));
  });
  const hits = new Map<string, Hit>();
  const looked = { texts: 0, files: 0, processes: 0, redisKeys: 0 };

  function look(where: string, content: string | Buffer, path?: string): void {
    looked.texts += 1;
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (const { canary, form, bytes: needle } of needles) {
      if (path !== undefined && canary.rightful?.test(path) === true) continue;
      if (bytes.includes(needle)) hits.set(`${canary.name} ${where}`, { canary: canary.name, form, where });
    }
  }

  return {
    hits: () => [...hits.values()],
    looked,
    look,

    /** Every file below a folder, whatever is in it, by its bytes; `leaveOut` names paths that are read-only parts of the product. */
    folder(root: string, leaveOut: RegExp): void {
      for (const file of filesBelow(root)) {
        const path = relative(root, file);
        if (leaveOut.test(path)) continue;
        const bytes = readIfThere(file);
        if (bytes === undefined) continue;
        looked.files += 1;
        look(path, bytes, path);
      }
    },

    /** Arguments and environment of every process but `own` and what it started. */
    processes(own: number): void {
      for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each) && Number(each) !== own)) {
        looked.processes += 1;
        for (const part of ["cmdline", "environ"]) {
          const bytes = readIfThere(join("/proc", name, part));
          if (bytes !== undefined) look(`${part} of ${commandOf(name)}`, bytes);
        }
      }
    },

    /** Every key and value of Redis, as text and as it stores them. */
    async redis(port: number, password: string): Promise<void> {
      const redis = new Redis({ host: "127.0.0.1", port, username: "local", password });
      try {
        for (let cursor = "0"; ; ) {
          const [next, keys] = await redis.scan(cursor, "COUNT", 500);
          for (const key of keys) {
            looked.redisKeys += 1;
            look("a Redis key", key);
            look(`Redis ${key}`, (await redis.dumpBuffer(key)) ?? "");
            look(`Redis ${key}`, await shown(redis, key));
          }
          cursor = next;
          if (cursor === "0") return;
        }
      } finally {
        redis.disconnect();
      }
    },
  };
}

/** DUMP may compress, so that values are read as their commands give them too. */
async function shown(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key);
  const read: Record<string, () => Promise<unknown>> = {
    string: () => redis.get(key),
    hash: () => redis.hgetall(key),
    list: () => redis.lrange(key, "0", "-1"),
    set: () => redis.smembers(key),
    zset: () => redis.zrange(key, "0", "-1"),
    stream: () => redis.xrange(key, "-", "+"),
  };
  const texts: string[] = [];
  const gather = (value: unknown): void => {
    if (typeof value === "object" && value !== null) {
      for (const [name, each] of Object.entries(value)) {
        texts.push(name);
        gather(each);
      }
    } else texts.push(String(value));
  };
  gather(await read[type]?.());
  return texts.join("\n");
}

/** A folder may go while it is read: what is deleted needs no search. */
function filesBelow(folder: string): string[] {
  return entriesOf(folder).flatMap((each) => {
    const path = join(folder, each.name);
    if (each.isDirectory()) return filesBelow(path);
    return each.isFile() ? [path] : [];
  });
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return file.startsWith("/proc/") || statSync(file).size <= LARGEST_FILE ? readFileSync(file) : undefined;
  } catch {
    return undefined;
  }
}

function commandOf(pid: string): string {
  return (readIfThere(`/proc/${pid}/cmdline`)?.toString("latin1") ?? "").split("\0").slice(0, 4).join(" ");
}
