// Checks real responses against the OpenAPI document that the control plane itself serves.
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";
import type { TestControlPlane } from "./control-plane.ts";

type Operation = { responses: Record<string, { content?: Record<string, { schema: object }> }> };
export type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

/** A `call` that fails when the answer is not what the document promises for that operation and status. */
export async function checkedCalls(plane: TestControlPlane) {
  const document = (await (await plane.call("GET", "/api/v1/openapi.json")).json()) as Document;
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const seen = new Set<string>();

  async function call(
    ...[method, path, body, headers]: Parameters<TestControlPlane["call"]>
  ): Promise<{ status: number; headers: Headers; body: unknown }> {
    const response = await plane.call(method, path, body, headers);
    const text = await response.text();
    const template = templateOf(document, path.split("?")[0] ?? "");
    const operation = document.paths[template]?.[method.toLowerCase()];
    if (operation === undefined) throw new Error(`${method} ${path} is not in the document`);
    const promised =
      operation.responses[response.status] ?? operation.responses[`${Math.floor(response.status / 100)}XX`];
    if (promised === undefined) throw new Error(`${method} ${template} does not promise ${response.status}`);
    seen.add(`${method} ${template}`);
    const [type, content] = Object.entries(promised.content ?? {})[0] ?? [];
    if (content === undefined) {
      expect(text, `${method} ${template}`).toBe("");
      return { status: response.status, headers: response.headers, body: undefined };
    }
    expect(response.headers.get("content-type"), `${method} ${template}`).toContain(type);
    const parsed: unknown = JSON.parse(text);
    const isValid = ajv.validate(content.schema, parsed);
    expect(isValid ? [] : ajv.errors, `${method} ${template} ${response.status}`).toEqual([]);
    return { status: response.status, headers: response.headers, body: parsed };
  }
  return { call, document, seen };
}

function templateOf(document: Document, path: string): string {
  const fits = (template: string) => new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(path);
  const found = Object.keys(document.paths)
    .filter(fits)
    .toSorted((a, b) => count(a) - count(b))[0];
  if (found === undefined) throw new Error(`${path} is not in the document`);
  return found;
}

function count(template: string): number {
  return template.split("{").length;
}
