import type { PoolSpec, PreloadedRepository } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { preparedPool, type Source } from "./prepared-pool.ts";

const pool = (name: string, repository?: Partial<PreloadedRepository>): PoolSpec => ({
  name,
  type: "docker",
  warm: 1,
  max: 3,
  image: "gitspaces/vm:latest",
  isDefault: false,
  preload: {
    images: [],
    ...(repository === undefined
      ? {}
      : {
          repository: { url: "https://git.example/team/app.git", organisation: "default", refreshMs: 1, ...repository },
        }),
  },
});
const source = (over: Partial<Source> = {}): Source => ({
  repository: "https://git.example/team/app.git",
  organisation: "default",
  ...over,
});

test("a VM that was prepared for the repository is taken, however its address is spelt", () => {
  const pools = [pool("plain"), pool("app", {})];
  for (const repository of [
    "https://git.example/team/app.git",
    "https://git.example/team/app",
    "https://GIT.example/team/app/",
  ])
    expect(preparedPool(pools, source({ repository }))).toEqual({ pool: pools[1] });
});

test.each<[string, Partial<PreloadedRepository>, Partial<Source>, string]>([
  ["another organisation", {}, { organisation: "others" }, "another organisation"],
  ["another branch", { branch: "main" }, { branch: "next" }, "branch main, not next"],
  ["the default branch", {}, { branch: "next" }, "the default branch, not next"],
  ["another devcontainer.json", {}, { devcontainerPath: "a/b.json" }, "the usual devcontainer.json, not a/b.json"],
])("a VM prepared for %s is not given away, and the miss says so", (_what, held, wanted, words) => {
  const chosen = preparedPool([pool("app", held)], source(wanted));
  expect(chosen).toEqual({ miss: `The VMs of pool app were prepared for ${words}.` });
});

test("a repository that no pool knows is no miss", () => {
  expect(preparedPool([pool("app", {})], source({ repository: "https://git.example/team/other" }))).toBeUndefined();
  expect(preparedPool([pool("app", {})], source({ repository: "https://git.example/Team/app" }))).toBeUndefined();
  expect(preparedPool([pool("app", {})], undefined)).toBeUndefined();
});

test("of several, the one in which nothing differs is taken", () => {
  const pools = [pool("a", { branch: "old" }), pool("b", { branch: "main" })];
  expect(preparedPool(pools, source({ branch: "main" }))).toEqual({ pool: pools[1] });
});
