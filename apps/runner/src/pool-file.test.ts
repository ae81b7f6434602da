import { expect, test } from "vitest";
import { parsePools, readPoolFile } from "./pool-file.ts";

const messageOf = (text: string): string => {
  try {
    parsePools(text, "pool.yml");
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

test("a pool file becomes pools with nothing left open", () => {
  expect(
    parsePools('version: "1"\ninstances:\n  - { name: default, type: process, warm: 2, max: 5 }\n', "pool.yml"),
  ).toEqual([{ name: "default", type: "process", warm: 2, max: 5, image: "default", isDefault: true }]);
});

test("the existing product's spellings mean the same", () => {
  const [pool] = parsePools(
    'version: "1"\ninstances:\n  - { name: a, type: process, pool: 3, limit: 7, spec: { image: big } }\n',
    "pool.yml",
  );
  expect(pool).toMatchObject({ warm: 3, max: 7, image: "big" });
});

test("an unknown key is answered with the nearest right one and its line", () => {
  const message = messageOf(
    'version: "1"\ninstances:\n  - name: default\n    type: process\n    wram: 2\n    spec:\n      imgae: x\n',
  );
  expect(message).toContain('line 5: instances[0].wram: there is no such key; did you mean "warm"?');
  expect(message).toContain('line 7: instances[0].spec.imgae: there is no such key; did you mean "image"?');
});

test("a key that resembles nothing gets no suggestion", () => {
  expect(messageOf('version: "1"\nzzzzzzzzzz: 1\ninstances:\n  - { name: a, type: process }\n')).toMatch(
    /line 2: zzzzzzzzzz: there is no such key$/,
  );
});

test("all mistakes are told at once, each with its line", () => {
  const message = messageOf(
    'version: "1"\ninstances:\n  - name: Default\n    type: process\n    warm: -1\n  - name: b\n    type: process\n    max: 0\n',
  );
  expect(message.split("\n").slice(1)).toEqual([
    "  line 3: instances[0].name: should be lower-case letters, digits and dashes, a letter first",
    "  line 5: instances[0].warm: should be 0 or more",
    "  line 8: instances[1].max: should be 1 or more",
  ]);
});

test.each([
  ["both spellings of one thing", "warm: 1, pool: 1", 'keep "warm"'],
  ["more warm than allowed", "warm: 5, max: 2", "keeps 5 warm but allows only 2"],
])("%s is refused", (_case, keys, words) => {
  expect(messageOf(`version: "1"\ninstances:\n  - { name: a, type: process, ${keys} }\n`)).toContain(words);
});

test("two pools of one name, or two defaults, are refused", () => {
  expect(
    messageOf('version: "1"\ninstances:\n  - { name: a, type: process }\n  - { name: a, type: process }\n'),
  ).toContain("names are unique");
  expect(
    messageOf(
      'version: "1"\ninstances:\n  - { name: a, type: process, default: true }\n  - { name: b, type: process, default: true }\n',
    ),
  ).toContain("only one pool can be the default");
});

test("broken YAML is refused with its line", () => {
  expect(messageOf('version: "1"\ninstances: [\n')).toMatch(/line \d+: /);
});

test("a missing pool file is named, with the setting that should name it", () => {
  expect(() => readPoolFile("/nowhere/pool.yml")).toThrow(/\/nowhere\/pool.yml does not exist.*GITSPACES_POOL_FILE/);
});

test("a pool of another provider's type is named with its line and both cures", () => {
  const text = 'version: "1"\ninstances:\n  - name: a\n    type: process\n';
  expect(() => parsePools(text, "pool.yml", "docker")).toThrow(
    /line 4: instances\[0\]\.type: is "process", but this runner's VMs are of the provider "docker"; write "docker", or .*GITSPACES_PROVIDER=process/,
  );
  expect(parsePools(text, "pool.yml", "process")).toHaveLength(1);
});
