import { expect, test } from "vitest";
import { FailureError } from "@gitspaces/contracts";
import { parseRedisUrl } from "./redis-url.ts";

test("a plain URL names user, host and port", () => {
  expect(parseRedisUrl("redis://runner@127.0.0.1:7405", "right")).toEqual({
    host: "127.0.0.1",
    port: 7405,
    username: "runner",
    password: "right",
  });
  expect(parseRedisUrl("redis://cache.example.com", "x")).toEqual({
    host: "cache.example.com",
    port: 6379,
    password: "x",
  });
});

test("rediss means TLS", () => {
  expect(parseRedisUrl("rediss://runner@cache.example.com:6380", "x")).toMatchObject({ tls: {}, port: 6380 });
});

test("a socket on this machine is named by its path", () => {
  expect(parseRedisUrl("redis+unix://runner@/run/redis/redis.sock", undefined)).toEqual({
    path: "/run/redis/redis.sock",
    username: "runner",
  });
});

test("sentinels are listed, and the name of their master is the path", () => {
  expect(parseRedisUrl("redis+sentinel://runner@one:26379,two:26380,three/main", "right")).toEqual({
    sentinels: [
      { host: "one", port: 26379 },
      { host: "two", port: 26380 },
      { host: "three", port: 26379 },
    ],
    name: "main",
    username: "runner",
    password: "right",
  });
  expect(parseRedisUrl("redis+sentinel://[::1]:26379/main", "x")).toMatchObject({
    sentinels: [{ host: "::1", port: 26379 }],
  });
  expect(parseRedisUrl("rediss+sentinel://one/main", "x")).toMatchObject({ tls: {}, enableTLSForSentinelMode: true });
});

test("without a password only this machine's Redis is spoken to", () => {
  for (const url of ["redis://127.0.0.1:1", "redis://localhost", "redis://[::1]:1", "redis+unix:///run/redis.sock"])
    expect(() => parseRedisUrl(url, undefined)).not.toThrow();
  for (const url of ["redis://cache.example.com", "rediss://10.0.0.1", "redis+sentinel://127.0.0.1,10.0.0.1/main"])
    expect(() => parseRedisUrl(url, undefined)).toThrow(/GITSPACES_REDIS_PASSWORD_FILE/);
});

test.each([
  ["http://127.0.0.1", /redis:\/\//],
  ["redis://runner:secret@127.0.0.1", /GITSPACES_REDIS_PASSWORD_FILE/],
  ["redis+sentinel://one:26379", /name of the master/],
  ["redis+sentinel:///main", /sentinel/],
  ["redis+sentinel://one:port/main", /port/],
  ["redis+unix://runner@", /path/],
])("%s is refused with what to write instead", (url, cure) => {
  const refused = () => parseRedisUrl(url, undefined);
  expect(refused).toThrow(FailureError);
  expect(refused).toThrow(cure);
  expect(refused).not.toThrow(/secret@/);
});
