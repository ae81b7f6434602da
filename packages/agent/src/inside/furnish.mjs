// Runs inside a dev container as the person's user, before the IDE does: makes its folders and writes the settings that the
// configuration asks for, under what the person chose. What cannot be written is complained of and does not keep the IDE away.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Settings of the machine: what is wanted, but for what the person has set themselves here or for all machines. */
export function mergeSettings(present, writtenBefore, wanted, ofUser) {
  const theirs = Object.entries(present).filter(([key, value]) => !same(value, writtenBefore[key]));
  const ours = Object.entries(wanted).filter(([key]) => !(key in ofUser));
  return { ...Object.fromEntries(ours), ...Object.fromEntries(theirs) };
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function readObject(file) {
  try {
    const value = JSON.parse(readFileSync(file, "utf8"));
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/** Whether a settings file is there that is not plain JSON; it is the person's then, comments and all. */
function isUnreadable(file) {
  try {
    JSON.parse(readFileSync(file, "utf8"));
    return false;
  } catch {
    return existsSync(file);
  }
}

function write(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

export function furnish({ data, extensions, socket, folder, userSettings, machineSettings }) {
  rmSync(socket, { force: true });
  for (const each of [extensions, join(data, "User"), join(data, "Machine"), join(data, "logs")]) {
    mkdirSync(each, { recursive: true });
  }
  const user = join(data, "User/settings.json");
  if (!existsSync(user)) write(user, userSettings);
  const machine = join(data, "Machine/settings.json");
  const before = join(data, "Machine/gitspace-settings.json");
  if (!isUnreadable(machine)) {
    write(
      machine,
      mergeSettings(readObject(machine), readObject(before), machineSettings, readOwn(user, userSettings)),
    );
    write(before, machineSettings);
  }
  const remembered = join(data, "coder.json");
  const { query, ...rest } = readObject(remembered);
  const last = query?.folder ?? query?.workspace;
  if (typeof last !== "string" || !existsSync(last))
    writeFileSync(remembered, JSON.stringify({ ...rest, query: { folder } }));
}

/** What the person has set for all machines; what we began their file with is not theirs. */
function readOwn(file, begunWith) {
  return Object.fromEntries(Object.entries(readObject(file)).filter(([key, value]) => !same(value, begunWith[key])));
}

if (process.argv[1] === import.meta.filename) furnish(JSON.parse(readFileSync(process.argv[2], "utf8")));
