// The engine's words become ours in one table, at the adapter.
import { FailureError, fail } from "@gitspaces/contracts";

/** What the engine answered instead of doing it. `status` is 0 when it did not answer at all. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }

  /** Reads an error of the connection. */
  static of(error: unknown, socketPath: string): EngineError {
    const { statusCode, json, code, message } = error as {
      statusCode?: number;
      json?: { message?: string } | null;
      code?: string;
      message?: string;
    };
    if (statusCode !== undefined) return new EngineError(statusCode, json?.message ?? message ?? "no reason given");
    return new EngineError(0, `${socketPath}: ${code ?? message ?? String(error)}`, { cause: error });
  }
}

/** True for an answer with this status. */
export function isStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof EngineError && statuses.includes(error.status);
}

const noRoom =
  /no space left|cannot allocate memory|out of memory|disk quota|no available (ipv4 )?address|address pool/i;

/** The failure that tells of any error on the way; ours and a caller's own end of waiting stay as they are. */
export function toFailureError(error: unknown, doing: string): unknown {
  if (error instanceof FailureError || !(error instanceof EngineError)) return error;
  const { status, message } = error;
  const say = (text: string) => `${doing}: ${text}`;
  if (status === 0 && /EACCES|EPERM/.test(message)) {
    return fail(
      "denied",
      say(`the Docker engine's socket may not be opened (${message}). Let this user into the socket's group.`),
      { cause: error },
    );
  }
  if (status === 0) {
    return fail(
      "vm_unreachable",
      say(`the Docker engine does not answer (${message}). Start it, or name its socket in GITSPACES_DOCKER_SOCKET.`),
      { cause: error },
    );
  }
  if (noRoom.test(message)) {
    return fail("no_capacity", say(`the Docker engine's machine is full: ${message}`), { cause: error });
  }
  if (/no such image/i.test(message)) {
    return fail("not_found", say(`${message}. bin/up builds the VM image; else pull it or name another in pool.yml.`), {
      field: "image",
      cause: error,
    });
  }
  if (status === 400) return fail("bad_request", say(`the Docker engine refuses it: ${message}`), { cause: error });
  if (status === 409) return fail("conflict", say(`the Docker engine says: ${message}`), { cause: error });
  return fail("internal", say(`the Docker engine says (${status}): ${message}`), { cause: error });
}
