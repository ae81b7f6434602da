import { expect, test } from "vitest";
import { lookupLocalhost } from "./localhost.ts";

const resolve = (name: string) =>
  new Promise((done) => {
    lookupLocalhost(name, { all: true }, (error, addresses) => done(error?.code ?? addresses));
  });

test.each(["localhost", "hello-k3v9x2.gitspaces.localhost", "A.LocalHost."])("%s is loopback", async (name) => {
  expect(await resolve(name)).toEqual([{ address: "127.0.0.1", family: 4 }]);
});

test("a name that only looks like it is asked of the system", async () => {
  expect(await resolve("notlocalhost.invalid")).toMatch(/^E/);
});
