import { randomBytes } from "node:crypto";
import { assert, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { fingerprintIn, keyLabel } from "./key-label.ts";

test("every fingerprint comes back from its label, which is letters and digits that labels may have", () => {
  assert(
    property(uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const fingerprint = Buffer.from(bytes).toString("base64url");
      expect(keyLabel(fingerprint)).toMatch(/^[a-z2-7]{52}$/);
      expect(fingerprintIn(keyLabel(fingerprint))).toBe(fingerprint);
    }),
  );
});

test("the label is base32 as RFC 4648 has it", () => {
  expect(keyLabel(Buffer.from("foobar").toString("base64url"))).toBe("mzxw6ytboi");
});

test.each([undefined, "", "a", "A".repeat(52), keyLabel(randomBytes(31).toString("base64url"))])(
  "%j is no fingerprint",
  (label) => {
    expect(fingerprintIn(label)).toBeUndefined();
  },
);
