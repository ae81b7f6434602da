// Logs: one JSON line per event, a fixed message, ids as fields, never a secret.
import { type Logger, pino } from "pino";

export type { Logger } from "pino";

export const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

const secretNames = ["authorization", "cookie", "token", "password", "secret", "secrets", "code", "csr", "privateKey"];

/**
 * A logger to standard output. Fields with a secret's name are redacted, at the top and one level down; of a Redis command
 * that failed only the name is told.
 */
export function createLog(name: string, level = "info"): Logger {
  return pino({
    name,
    level,
    base: { pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => plain(fields, 0) as Record<string, unknown>,
    },
    redact: {
      paths: secretNames
        .flatMap((field) => [field, `*.${field}`, `req.headers.${field}`])
        .filter((path) => !path.endsWith("*.code") && path !== "code"),
      censor: "[secret]",
    },
    // Errors are plain before they come to a serializer.
    serializers: { err: (error: unknown) => error },
  });
}

const DEEPEST = 8;

/** The same with every error in it, at any depth, as an object that JSON can show. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEEPEST) return "[deeper]";
  if (value instanceof Error) return plainError(value, depth);
  if (Array.isArray(value)) return value.map((each) => plain(each, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each, depth + 1)]));
}

function plainError(error: Error & { command?: { name?: unknown }; errors?: unknown }, depth: number): unknown {
  // The Redis client puts the command on its error, and the arguments of AUTH and HELLO are the user and the password.
  const { command, ...fields } = error;
  return plain(
    {
      ...fields,
      type: (error.constructor as { name?: string } | undefined)?.name ?? error.name,
      message: error.message,
      stack: error.stack,
      ...(command === undefined || command === null ? {} : { command: command.name }),
      ...(error.errors === undefined ? {} : { errors: error.errors }),
      ...(error.cause === undefined ? {} : { cause: error.cause }),
    },
    depth,
  );
}
