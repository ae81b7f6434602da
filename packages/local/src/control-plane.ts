// The public API of the control plane, as this launcher uses it.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type CreateGitspace, FailureError, fail, Gitspace, Problem, parse, SignInLink } from "@gitspaces/contracts";
import { z } from "zod";

export type ControlPlane = {
  list(): Promise<Gitspace[]>;
  create(request: CreateGitspace): Promise<Gitspace>;
  start(id: string): Promise<void>;
  /** Waits until it runs. @throws {FailureError} with the Gitspace's own reason when it ends in `error`. */
  waitUntilRunning(id: string): Promise<Gitspace>;
  /** A link that signs its first user in: to a Gitspace, or to the page of the control plane. */
  signInLink(id?: string): Promise<string>;
};

/** A client for the control plane at `url`, as administrator. */
export function connectControlPlane(url: string, adminTokenFile: string, signal: AbortSignal): ControlPlane {
  const authorization = `Bearer ${readFileSync(adminTokenFile, "utf8").trim()}`;

  async function call<S extends z.ZodType>(
    schema: S,
    method: string,
    path: string,
    body?: object,
  ): Promise<z.infer<S>> {
    const response = await fetch(new URL(`/api/v1/${path}`, url), {
      method,
      signal,
      headers: { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw asFailure(response.status, text, path);
    return parse(schema, text === "" ? null : JSON.parse(text), `answer of ${path}`);
  }

  return {
    list: () => call(z.array(Gitspace), "GET", "gitspaces"),
    create: (request) => call(Gitspace, "POST", "gitspaces", request),
    start: async (id) => void (await call(z.unknown(), "POST", `gitspaces/${id}/actions`, { action: "start" })),
    async waitUntilRunning(id) {
      for (;;) {
        const gitspace = await call(Gitspace, "GET", `gitspaces/${id}`);
        if (gitspace.state === "running") return gitspace;
        if (gitspace.state === "error") {
          const reason = gitspace.instance?.error_message ?? "it did not say why";
          throw fail("internal", `The Gitspace ${id} did not start: ${reason}`);
        }
        await sleep(50, undefined, { signal });
      }
    },
    async signInLink(id) {
      const body = id === undefined ? {} : { gitspace_identifier: id };
      return (await call(SignInLink, "POST", "sign-in-links", body)).sign_in_url;
    },
  };
}

function asFailure(status: number, text: string, path: string): FailureError {
  const problem = Problem.safeParse(readJson(text)).data;
  if (problem === undefined) return fail("internal", `The control plane answered ${status} to ${path}.`);
  const { code, detail, retry, field } = problem;
  return fail(code, detail, { retry, ...(field === undefined ? {} : { field }) });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
