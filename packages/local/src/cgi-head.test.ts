import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { readCgiHead } from "./cgi-head.ts";

test("the head ends at the empty line, wherever the chunks end, and the body stays whole", async () => {
  const stream = Readable.from(
    ["Status: 404 Not", " Found\r\nContent-Type: text/plain\r", "\n\r\nbo", "dy"].map((part) => Buffer.from(part)),
    {
      objectMode: false,
    },
  );
  expect(await readCgiHead(stream)).toEqual({ status: 404, headers: { "content-type": "text/plain" } });
  expect(await text(stream)).toBe("body");
});

test("without a status it is 200", async () => {
  const stream = Readable.from([Buffer.from("Expires: never\r\n\r\n")], { objectMode: false });
  expect((await readCgiHead(stream)).status).toBe(200);
});

test("a program that ends before its head is whole is an error", async () => {
  const stream = Readable.from([Buffer.from("Status: 200")], { objectMode: false });
  await expect(readCgiHead(stream)).rejects.toThrow("git ended without an answer");
});

test("a head without end is an error", async () => {
  const stream = Readable.from(
    Array.from({ length: 40 }, () => Buffer.alloc(1_000, "x")),
    { objectMode: false },
  );
  await expect(readCgiHead(stream)).rejects.toThrow("too long");
});
