// The only error that crosses a process: the meaning travels, the stack stays home.
import { z } from "zod";

export const failureCodes = [
  "bad_request",
  "not_found",
  "conflict",
  "denied",
  "superseded",
  "expired",
  "timeout",
  "cancelled",
  "unsupported",
  "no_capacity",
  "quota_exceeded",
  "vm_unreachable",
  "repository_unreachable",
  "devcontainer_invalid",
  "ide_failed",
  "disk_full",
  "internal",
] as const;

export const FailureCode = z.enum(failureCodes);
export type FailureCode = z.infer<typeof FailureCode>;

export const Failure = z.strictObject({
  code: FailureCode,
  message: z.string(),
  retry: z.enum(["never", "later", "elsewhere"]),
  field: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Failure = z.infer<typeof Failure>;

/** How each code meets HTTP, and whether a caller who is not told otherwise may try again. */
const meaning: Record<FailureCode, { status: number; retry: Failure["retry"] }> = {
  bad_request: { status: 400, retry: "never" },
  not_found: { status: 404, retry: "never" },
  conflict: { status: 409, retry: "later" },
  denied: { status: 403, retry: "never" },
  superseded: { status: 409, retry: "never" },
  expired: { status: 410, retry: "never" },
  timeout: { status: 504, retry: "later" },
  cancelled: { status: 409, retry: "never" },
  unsupported: { status: 501, retry: "never" },
  no_capacity: { status: 503, retry: "later" },
  quota_exceeded: { status: 429, retry: "later" },
  vm_unreachable: { status: 502, retry: "later" },
  repository_unreachable: { status: 422, retry: "later" },
  devcontainer_invalid: { status: 422, retry: "never" },
  ide_failed: { status: 502, retry: "later" },
  disk_full: { status: 507, retry: "later" },
  internal: { status: 500, retry: "later" },
};

/** The HTTP status that a failure of this code is answered with. */
export function httpStatus(code: FailureCode): number {
  return meaning[code].status;
}

/** An error that carries a failure; its `cause` is for our logs, its failure is for everyone else. */
export class FailureError extends Error {
  override readonly name = "FailureError";
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}

export type FailureOptions = {
  retry?: Failure["retry"];
  field?: string;
  details?: Record<string, unknown>;
  cause?: unknown;
};

/** Makes a failure with the code's usual `retry`, unless the options say otherwise. */
export function failure(code: FailureCode, message: string, options: Omit<FailureOptions, "cause"> = {}): Failure {
  return {
    code,
    message,
    retry: options.retry ?? meaning[code].retry,
    ...(options.field === undefined ? {} : { field: options.field }),
    ...(options.details === undefined ? {} : { details: options.details }),
  };
}

/** The error to throw for a failure. */
export function fail(code: FailureCode, message: string, options: FailureOptions = {}): FailureError {
  return new FailureError(failure(code, message, options), options.cause === undefined ? {} : { cause: options.cause });
}

/** What crosses the process for any thrown value. An unknown error becomes `internal` and keeps its text at home. */
export function toFailure(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  return failure("internal", "Something went wrong inside; the log of the daemon that answered has the cause.");
}

/** Reads `value` with `schema`. @throws {FailureError} `bad_request` naming the first wrong field and what it should be. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0]);
  const field = issue === undefined ? "" : z.core.toDotPath(issue.path);
  throw fail("bad_request", `${what}: ${field === "" ? "" : `${field}: `}${issue?.message ?? "not readable"}`, {
    ...(field === "" ? {} : { field }),
    details: {
      issues: parsed.error.issues.map((each) => ({ path: z.core.toDotPath(each.path), message: each.message })),
    },
  });
}

/** Inside a plain union, the branch that got furthest tells more than "invalid input". */
function deepest(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== "invalid_union" || issue.errors.length === 0) return issue;
  const best = issue.errors.flat().toSorted((a, b) => b.path.length - a.path.length)[0];
  return best === undefined ? issue : deepest({ ...best, path: [...issue.path, ...best.path] });
}

/** RFC 9457 problem details with our `code`, `retry` and `field`. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: FailureCode,
  retry: Failure.shape.retry,
  field: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** The problem+json body of a failure. */
export function toProblem(failure: Failure): Problem {
  const { message, ...rest } = failure;
  return {
    type: "about:blank",
    title: failure.code.replaceAll("_", " "),
    status: httpStatus(failure.code),
    detail: message,
    ...rest,
  };
}
