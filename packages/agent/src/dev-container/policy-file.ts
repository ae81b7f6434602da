// The policy as an operator writes it: a JSON or YAML file, strict where it says nothing.
import { readFileSync } from "node:fs";
import { fail, parse } from "@gitspaces/contracts";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import type { Policy } from "./policy.ts";

/** `team/image`, `team/image:tag`, `team/image@sha256:…`, `team/*`, `team/image:dev*`: a star stands at the end only. */
const ImagePattern = z
  .string()
  .regex(/^[a-z0-9](?:[\w./:@-]*\*|[\w./:@-]*(?<![/:@]))?$/i, "should be an image name, with a star at its end at most")
  .refine(
    (text) => (text.split("/").at(-1) ?? "").split(":").length <= (text.includes("@") ? 3 : 2),
    "has a colon too many",
  );

const PolicyFile = z.strictObject({
  allowPrivileged: z.boolean().default(false),
  allowEngineSocket: z.boolean().default(false),
  allowedImages: z.array(ImagePattern).default([]),
});

/** Reads a policy. @throws {FailureError} `bad_request` naming what is wrong. */
export function readPolicy(file: string): Policy {
  let value: unknown;
  try {
    value = parseYaml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw fail("bad_request", `The policy ${file} could not be read: ${(cause as Error).message}`, { cause });
  }
  return parse(PolicyFile, value ?? {}, file);
}
