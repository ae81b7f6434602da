// The text of a pass: its id, what its holders narrowed, and the secret of the last of them. Anybody who holds one can narrow it
// without asking; who gets the narrowed one can not go back, because the secret before is not in it.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { z } from "zod";
import { fail } from "./failure.ts";
import { Narrowing, narrowed, type Pass, type PassKind, type Scope } from "./pass.ts";

const prefixes = { token: "gsa_", link: "gsl_" } as const satisfies Record<PassKind, string>;
/** What a signature is made over begins so, and is therefore never anything else that this key signs. */
const DOMAIN = "gitspaces-pass-1\n";
const MOST_BLOCKS = 8;
const LONGEST = 6_000;
const PRIVATE_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_HEAD = Buffer.from("302a300506032b6570032100", "hex");
const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A block is what one holder took away, and the key that may take away more. */
const Block = Narrowing.extend({ key: z.string().length(43) });
type Block = z.infer<typeof Block>;
type Parts = {
  kind: PassKind;
  id: string;
  blocks: { signed: string; signature: Buffer; block: Block }[];
  seed: Buffer;
};

/** A new pass: its text, shown once, and what is kept of it. */
export function makePass(kind: PassKind): { id: string; text: string; key: string } {
  let id = "";
  while (id.length < 12) {
    for (const byte of randomBytes(16)) if (byte < 252 && id.length < 12) id += alphabet[byte % 36];
  }
  const seed = randomBytes(32);
  return { id, text: `${prefixes[kind]}${id}.${seed.toString("base64url")}`, key: publicOf(seed) };
}

/** A pass that opens less. Needs nobody's leave. @throws {FailureError} `bad_request` when the text is none, or is narrowed too often. */
export function narrowPass(text: string, narrowing: Narrowing): string {
  const parts = open(text);
  if (parts === undefined) throw fail("bad_request", "This is not a pass: it should begin with gsl_ or gsa_.");
  if (parts.blocks.length >= MOST_BLOCKS)
    throw fail("bad_request", `A pass can be narrowed ${MOST_BLOCKS} times; ask its owner for a new one.`);
  const seed = randomBytes(32);
  const block: Block = { ...Narrowing.parse(narrowing), key: publicOf(seed) };
  const signed = `${text.slice(0, text.lastIndexOf("."))}.${Buffer.from(JSON.stringify(block)).toString("base64url")}`;
  const signature = sign(null, Buffer.from(DOMAIN + signed), privateKey(parts.seed));
  return `${signed}.${signature.toString("base64url")}.${seed.toString("base64url")}`;
}

/** The id that a text claims, if it is a pass by its form; whether it is good only `readPass` tells. */
export function passId(text: string): string | undefined {
  return open(text)?.id;
}

/** Whether a text is meant as a pass, be it good or not. */
export function looksLikePass(text: string): boolean {
  return text.startsWith(prefixes.token) || text.startsWith(prefixes.link);
}

/** What a text opens of a pass that is in an access document; nothing when it was not derived from it. Time is not looked at. */
export function readPass(text: string, pass: Pass): Scope | undefined {
  const parts = open(text);
  if (parts?.id !== pass.id || parts.kind !== pass.kind) return undefined;
  let scope: Scope | undefined = { expiresAt: pass.expiresAt, path: pass.path, methods: pass.methods };
  let key = pass.key;
  for (const { signed, signature, block } of parts.blocks) {
    if (!verify(null, Buffer.from(DOMAIN + signed), publicKey(key), signature)) return undefined;
    scope = narrowed(scope, block);
    if (scope === undefined) return undefined;
    ({ key } = block);
  }
  return publicOf(parts.seed) === key ? scope : undefined;
}

function open(text: string): Parts | undefined {
  const kind = text.startsWith(prefixes.token) ? "token" : "link";
  if (text.length > LONGEST || !text.startsWith(prefixes[kind])) return undefined;
  const [id = "", ...rest] = text.slice(prefixes[kind].length).split(".");
  const seed = bytes(rest.pop() ?? "", 32);
  if (!/^[a-z0-9]{12}$/.test(id) || seed === undefined || rest.length % 2 === 1) return undefined;
  if (rest.length > MOST_BLOCKS * 2) return undefined;
  const blocks: Parts["blocks"] = [];
  let signed = `${prefixes[kind]}${id}`;
  for (let at = 0; at < rest.length; at += 2) {
    const [payload = "", mark = ""] = rest.slice(at, at + 2);
    const signature = bytes(mark, 64);
    const block = readBlock(payload);
    if (signature === undefined || block === undefined) return undefined;
    signed += `.${payload}`;
    blocks.push({ signed, signature, block });
    signed += `.${mark}`;
  }
  return { kind, id, blocks, seed };
}

function readBlock(payload: string): Block | undefined {
  try {
    return Block.safeParse(JSON.parse(bytes(payload)?.toString() ?? "")).data;
  } catch {
    return undefined;
  }
}

/** Strict: of the several texts that some decoders take for the same bytes only one is good. */
function bytes(text: string, length?: number): Buffer | undefined {
  const read = Buffer.from(text, "base64url");
  return read.toString("base64url") === text && (length === undefined || read.length === length) ? read : undefined;
}

function privateKey(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, seed]), format: "der", type: "pkcs8" });
}

function publicKey(key: string): KeyObject {
  const raw = bytes(key, 32) ?? Buffer.alloc(32);
  return createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, raw]), format: "der", type: "spki" });
}

function publicOf(seed: Buffer): string {
  return createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
}
