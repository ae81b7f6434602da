import { randomBytes } from "node:crypto";
import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { certificateName, parseCertificateName } from "./agent-api.ts";
import { GitspaceId, InstanceId, IDE_PORT, makeGitspaceId, parseTarget, slugify } from "./names.ts";

test("whatever a Gitspace is called, its id is a host label and never too long", () => {
  assert(
    property(string({ unit: "binary", maxLength: 80 }), (name) => {
      const id = makeGitspaceId(name, randomBytes);
      expect(GitspaceId.safeParse(id).success).toBe(true);
      expect(id.length).toBeLessThanOrEqual(47);
      expect(parseTarget(`${id}.gitspaces.localhost`, "gitspaces.localhost")).toEqual({
        gitspaceId: id,
        port: IDE_PORT,
      });
    }),
  );
});

test("the six random characters are drawn evenly: bytes that would favour some are drawn again", () => {
  const draws = [Uint8Array.of(255, 252, 254, 253, 255, 255, 255, 255), Uint8Array.of(0, 35, 36, 251, 1, 2, 3, 4)];
  expect(makeGitspaceId("a", () => draws.shift() ?? new Uint8Array(8))).toBe("a-a9a9bc");
});

test.each([
  ["Hello World", "hello-world"],
  ["Ünï çödé", "u-ni-c-o-de-"],
  ["--a--b--", "a-b"],
  ["日本", "gitspace"],
  ["", "gitspace"],
  ["x".repeat(60), "x".repeat(40)],
])("the slug of %j is %j", (name, slug) => {
  expect(slugify(name)).toBe(slug.replace(/-$/, ""));
});

test.each([
  ["hello-k3v9x2.example.dev", { gitspaceId: "hello-k3v9x2", port: 8089 }],
  ["3000--hello-k3v9x2.example.dev", { gitspaceId: "hello-k3v9x2", port: 3000 }],
  ["65535--hello-k3v9x2.example.dev", { gitspaceId: "hello-k3v9x2", port: 65_535 }],
  ["65536--hello-k3v9x2.example.dev", undefined],
  ["0--hello-k3v9x2.example.dev", undefined],
  ["03000--hello-k3v9x2.example.dev", undefined],
  ["hello-k3v9x2.evil.dev", undefined],
  ["hello-k3v9x2.example.dev.evil.dev", undefined],
  ["hello-k3v9x2example.dev", undefined],
  ["a.hello-k3v9x2.example.dev", undefined],
  ["HELLO-k3v9x2.example.dev", undefined],
  ["hello.example.dev", undefined],
  ["example.dev", undefined],
])("%s leads to %j", (host, target) => {
  expect(parseTarget(host, "example.dev")).toEqual(target);
});

test.each([
  "hello",
  "-hello-k3v9x2",
  "hello--a-k3v9x2",
  "hello-K3v9x2",
  "../hello-k3v9x2",
  "hello-k3v9x2\n",
  `${"a".repeat(41)}-k3v9x2`,
])("%j is no Gitspace id", (id) => {
  expect(GitspaceId.safeParse(id).success).toBe(false);
});

test.each(["", "-a", "A", "a/b", "a..", "a b", "a\n", "a".repeat(64)])("%j is no instance id", (id) => {
  expect(InstanceId.safeParse(id).success).toBe(false);
});

test("a certificate's name reads back; anything else is nobody", () => {
  expect(parseCertificateName(certificateName("local-ab12cd", "vm", "default-1"))).toEqual({
    installation: "local-ab12cd",
    role: "vm",
    name: "default-1",
  });
  for (const uri of [
    "gs://a/admin/b",
    "gs://a/vm/b/c",
    "gs://a/vm/",
    "gs://a/vm/B",
    "https://a/vm/b",
    "gs://a/vm/b\n",
    " gs://a/vm/b",
  ]) {
    expect({ uri, name: parseCertificateName(uri) }).toEqual({ uri, name: undefined });
  }
});
