// Configuration is read once, at the edge: a YAML file (`--config FILE`), then GITSPACES_* variables, through one schema.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FailureError, fail } from "@gitspaces/contracts";
import { z } from "zod";
import { logLevels } from "./log.ts";

/** `host:port`, as `{ host, port }`. Port 0 asks the system for a free one. */
export const address = z.string().transform((text, context) => {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    context.issues.push({
      code: "custom",
      input: text,
      message: "should be host:port, such as 127.0.0.1:7400",
    });
    return z.NEVER;
  }
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
});
export type Address = z.infer<typeof address>;

/** `a,b` or a YAML list, as a list without blanks. */
export const commaList = z
  .union([z.array(z.string()), z.string().transform((text) => text.split(","))])
  .transform((items) => items.map((item) => item.trim()).filter((item) => item !== ""));

/** The path of a file that holds a secret; see `readSecret`. */
export const secretFile = z.string().min(1);

/** What every daemon's schema begins with. */
export const commonConfig = {
  dataFolder: z.string().min(1),
  adminListen: address.default({ host: "127.0.0.1", port: 0 }),
  logLevel: z.enum(logLevels).default("info"),
  installation: z.string().regex(/^[a-z0-9-]{1,40}$/, "should be lower-case letters, digits and dashes"),
};

const prefix = "GITSPACES_";

/** `redisUrl` → `GITSPACES_REDIS_URL`. */
export function variableName(key: string): string {
  return prefix + key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

type Sources = { env?: NodeJS.ProcessEnv; argv?: string[] };

/**
 * Reads a daemon's configuration. Variables win over the file; a key that the schema does not know is an error in the file.
 * @throws {FailureError} `bad_request`; the message names each wrong setting, what it is and what it should be.
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  { env = process.env, argv = process.argv.slice(2) }: Sources = {},
): z.infer<S> {
  const raw = { ...readFile(argv), ...readVariables(Object.keys(schema.shape), env) };
  const asText = schema.safeParse(raw);
  if (asText.success) return asText.data;
  const parsed = schema.safeParse(withScalars(raw, asText.error.issues));
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    if (issue.code === "unrecognized_keys") return `  ${issue.keys.join(", ")}: no such setting`;
    const key = String(issue.path[0] ?? "");
    const setting = `  ${variableName(key)} (${issue.path.join(".")})`;
    return raw[key] === undefined ? `${setting} is missing` : `${setting} is ${shown(raw[key])}: ${issue.message}`;
  });
  throw fail("bad_request", `The configuration is wrong:\n${lines.join("\n")}`, {
    field: String(parsed.error.issues[0]?.path[0] ?? ""),
  });
}

/** A value as a message may show it: secrets are files, but a URL could carry a password all the same. */
function shown(value: unknown): string {
  return JSON.stringify(value).replaceAll(/\/\/[^/@"]*@/g, "//[secret]@");
}

function readVariables(keys: string[], env: NodeJS.ProcessEnv): Record<string, unknown> {
  const set = keys.map((key) => [key, env[variableName(key)]] as const);
  return Object.fromEntries(set.filter(([, text]) => text !== undefined && text !== ""));
}

/** A variable is text; where the schema wanted a number or a boolean, the text is read as one. */
function withScalars(raw: Record<string, unknown>, issues: z.core.$ZodIssue[]): Record<string, unknown> {
  const read = { ...raw };
  for (const issue of issues) {
    const key = String(issue.path[0] ?? "");
    const text = read[key];
    if (issue.code !== "invalid_type" || typeof text !== "string") continue;
    if (issue.expected === "boolean" && /^(?:true|false)$/.test(text)) read[key] = text === "true";
    if (/^(?:number|int)$/.test(issue.expected) && text.trim() !== "" && Number.isFinite(Number(text)))
      read[key] = Number(text);
  }
  return read;
}

function readFile(argv: string[]): Record<string, unknown> {
  const { values } = parseArgs({
    args: argv,
    options: { config: { type: "string" } },
    strict: false,
    allowPositionals: true,
  });
  if (typeof values.config !== "string") return {};
  try {
    return readYaml(values.config);
  } catch (cause) {
    if (cause instanceof FailureError) throw cause;
    throw fail(
      "bad_request",
      `The configuration file ${values.config} could not be read: ${(cause as Error).message}`,
      { field: "config", cause },
    );
  }
}

function readYaml(file: string): Record<string, unknown> {
  const { parse } = process.getBuiltinModule("node:module").createRequire(import.meta.url)(
    "yaml",
  ) as typeof import("yaml");
  const read: unknown = parse(readFileSync(file, "utf8"));
  if (read !== null && typeof read === "object" && !Array.isArray(read)) return read as Record<string, unknown>;
  throw fail("bad_request", `The configuration file ${file} should hold a mapping of settings.`, { field: "config" });
}

/** The text of a secret's file, trimmed. @throws {FailureError} `bad_request` when the file is missing or empty. */
export function readSecret(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw fail(
      "bad_request",
      `The secret file ${file} could not be read (${(cause as NodeJS.ErrnoException).code ?? "error"}).`,
      { cause },
    );
  }
  if (text === "") throw fail("bad_request", `The secret file ${file} is empty.`);
  return text;
}
