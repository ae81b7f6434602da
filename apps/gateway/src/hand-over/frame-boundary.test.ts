import { expect, test } from "vitest";
import { FrameBoundary } from "./frame-boundary.ts";

/** A binary frame as RFC 6455 writes it. */
function frame(length: number, mask = false): Buffer {
  const head = length < 126 ? Buffer.from([0x82, length]) : Buffer.alloc(length < 65_536 ? 4 : 10);
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) head.writeUInt16BE(length, 2);
  if (length >= 126) head.set([0x82, length < 65_536 ? 126 : 127]);
  head[1] = (head[1] ?? 0) | (mask ? 0x80 : 0);
  return Buffer.concat([head, Buffer.alloc(mask ? 4 : 0, 0xaa), Buffer.alloc(length, 0xff)]);
}

const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];

test("between two frames is a boundary, inside of one is none, whatever their sizes and however the bytes are cut", () => {
  for (const mask of [false, true]) {
    const frames = sizes.map((size) => frame(size, mask));
    const ends = new Set(frames.map((_, index) => Buffer.concat(frames.slice(0, index + 1)).length));
    const whole = Buffer.concat(frames);
    for (const step of [1, 2, 3, 7, 1_000, 65_536]) {
      const boundary = new FrameBoundary();
      const wrong: number[] = [];
      for (let at = 0; at < whole.length; at += step) {
        boundary.feed(whole.subarray(at, at + step));
        const seen = Math.min(at + step, whole.length);
        if (boundary.isHere !== ends.has(seen)) wrong.push(seen);
      }
      expect([step, wrong, boundary.isHere]).toEqual([step, [], true]);
    }
  }
});

test("the rest of a frame is found in a chunk that holds the next one too", () => {
  const boundary = new FrameBoundary();
  const first = frame(300);
  boundary.feed(first.subarray(0, 3));
  const rest = Buffer.concat([first.subarray(3), frame(10)]);
  expect(boundary.finish(rest)).toBe(first.length - 3);
  expect(boundary.isHere).toBe(true);
});
