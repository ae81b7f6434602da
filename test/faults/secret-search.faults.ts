// The search itself: what it does not find is nowhere only if it finds what is there.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { formsOf, secretSearch } from "./secret-search.ts";

/** Characters that every encoding writes in a way of its own, around what none of them changes. */
const secret = () => `+/%&"${randomBytes(15).toString("hex")}\\=~`;

test("I10: a search finds a secret in every form it can take, so that finding nothing means something", () => {
  const whole = secret();
  for (const prefix of ["", "x", "xy", "xyz:"]) {
    for (const wrapped of [
      `${prefix}${whole}`,
      encodeURIComponent(`${prefix}${whole}`),
      JSON.stringify({ a: JSON.stringify(`${prefix}${whole}`) }),
      Buffer.from(`${prefix}${whole}.`).toString("base64"),
      Buffer.from(`${prefix}${whole}.`).toString("base64url"),
      Buffer.from(`${prefix}${whole}`).toString("hex"),
    ]) {
      const search = secretSearch([{ name: "canary", text: whole }]);
      search.look("here", wrapped);
      expect(search.hits()).toHaveLength(1);
      const other = secretSearch([{ name: "canary", text: secret() }]);
      other.look("here", wrapped);
      expect(other.hits()).toEqual([]);
    }
  }
  expect(Object.keys(formsOf(whole)).length).toBeGreaterThan(8);
});
