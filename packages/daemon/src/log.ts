// Logs: one JSON line per event, a fixed message, ids as fields, never a secret.
import { type Logger, pino, stdSerializers } from "pino";

export type { Logger } from "pino";

const secretNames = ["authorization", "cookie", "token", "password", "secret", "secrets", "code", "csr", "privateKey"];

/** A logger to standard output. Fields with a secret's name are redacted, at the top and one level down. */
export function createLog(name: string, level = "info"): Logger {
  return pino({
    name,
    level,
    base: { pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: secretNames
        .flatMap((field) => [field, `*.${field}`, `req.headers.${field}`])
        .filter((path) => !path.endsWith("*.code") && path !== "code"),
      censor: "[secret]",
    },
    serializers: { err: stdSerializers.errWithCause },
  });
}
