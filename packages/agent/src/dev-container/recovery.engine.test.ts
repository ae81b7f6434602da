// Configurations that cannot be used: the person gets in all the same, reads why, and mends it.
import { expect, test } from "vitest";
import { NODE_IMAGE, Repository } from "../testing/repository.ts";

const ONE = ".devcontainer/devcontainer.json";

test.each<[string, Record<string, string | object>, RegExp]>([
  ["broken JSON", { [ONE]: '{\n  "image" "x"\n}' }, /devcontainer\.json:2:\d+: colon expected/],
  ["a missing image", { [ONE]: { image: "gs-nowhere/none:1", postCreateCommand: "touch ran" } }, /gs-nowhere\/none:1/],
  [
    "a failing build",
    {
      [ONE]: { build: { dockerfile: "Dockerfile" } },
      ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nRUN echo no way; exit 7\n`,
    },
    /Building the image failed: .*(?:no way|code: 7)/s,
  ],
  [
    "a Compose file against a rule",
    {
      [ONE]: { dockerComposeFile: "c.yml", service: "app" },
      ".devcontainer/c.yml": `services: { app: { image: "${NODE_IMAGE}", volumes: ["/etc:/x"] } }`,
    },
    /c\.yml: volumes of app: of the VM's folders only the workspace/,
  ],
  [
    "a container that ends at once",
    {
      [ONE]: { build: { dockerfile: "Dockerfile" }, overrideCommand: false },
      ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nCMD ["false"]\n`,
    },
    /./,
  ],
])(
  "%s",
  async (_, files, because) => {
    await using repository = await Repository.open(files);
    const container = await repository.raise();
    expect(container.recovery?.because).toMatch(because);
    const inside = `/workspaces/${repository.name}`;
    expect(container.workspaceFolder).toBe(inside);
    expect(await repository.inside(container, `ls ${inside}`)).toBe("README.md");
    expect(repository.told("note").find((each) => each.includes("recovery container"))).toMatch(because);
  },
  60_000,
);

test("a build that failed leaves no container behind", async () => {
  await using repository = await Repository.open({ [ONE]: { build: { dockerfile: "Dockerfile" } } });
  repository.write({ ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nRUN echo ${repository.name}; exit 7\n` });
  expect((await repository.raise()).recovery).not.toBeNull();
  const all = ["ps", "--all", "--no-trunc", "--format", "{{.Command}}"];
  expect(await repository.engine.ask(all, AbortSignal.timeout(10_000))).not.toContain(`echo ${repository.name}`);
}, 60_000);

test("what was mended is used at the next start, and the recovery container is gone", async () => {
  await using repository = await Repository.open({ [ONE]: "{" });
  const recovery = await repository.raise();
  expect(recovery.recovery).not.toBeNull();
  await repository.inside(recovery, "echo kept >/root/note");
  await repository.engine.ask(["stop", "--time", "0", recovery.id], AbortSignal.timeout(20_000));
  repository.write({ [ONE]: { image: NODE_IMAGE, postCreateCommand: "touch ran" } });
  const mended = await repository.raise();
  expect(mended.recovery).toBeNull();
  expect(await repository.inside(mended, `cat /root/note; ls /workspaces/${repository.name}`)).toBe(
    "kept\nREADME.md\nran",
  );
  await expect(repository.inside(recovery, "true")).rejects.toThrow(/No such container/i);
}, 60_000);

test("not even the default image can run: the start fails and names both", async () => {
  await using repository = await Repository.open({ [ONE]: "{" });
  await expect(repository.raise({ defaultImage: "gs-nowhere/default:1" })).rejects.toMatchObject({
    failure: {
      code: "internal",
      message: expect.stringMatching(/devcontainer\.json:1:\d+.*gs-nowhere\/default:1/s) as string,
    },
  });
}, 30_000);
