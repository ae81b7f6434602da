// The token: readable with the account's secret only, new when it is due.
import { jwtDecrypt } from "jose";
import { expect, test } from "vitest";
import { makeAccountToken, readAccountSecret } from "./account-token.ts";

const secret = "00112233445566778899aabbccddeeff";

test("a token says whose it is and lives twenty minutes", async () => {
  const token = await makeAccountToken("account-1", secret).current();
  expect(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString())).toEqual({
    alg: "dir",
    enc: "A128GCM",
    typ: "JWT",
  });
  const { payload } = await jwtDecrypt(token, Buffer.from(secret, "hex"));
  expect(payload).toMatchObject({ sub: "account-1", iss: "issuer", aud: ["audience"] });
  expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/);
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(1_200);
  expect(token).not.toContain(secret);
});

test("a token is used for ten minutes, then there is a new one; a refused one is replaced at once", async () => {
  let now = 1_000_000;
  const tokens = makeAccountToken("account-1", secret, { now: () => now });
  const first = await tokens.current();
  now += 9 * 60_000;
  expect(await tokens.current()).toBe(first);
  now += 60_000;
  const second = await tokens.current();
  expect(second).not.toBe(first);
  tokens.renew();
  expect(await tokens.current()).not.toBe(second);
});

test("a secret is read as it is or in base64, and refused otherwise without being told", () => {
  const key = Buffer.from(secret, "hex");
  expect(readAccountSecret(secret)).toEqual(key);
  expect(readAccountSecret(Buffer.from(secret).toString("base64"))).toEqual(key);
  expect(() => readAccountSecret("too-short")).toThrow(/32 hexadecimal characters/);
  expect(() => readAccountSecret("too-short")).not.toThrow(/too-short/);
});
