// A delete takes the VM at once and the files when its grace is over; until then it is taken back as if nothing had been.
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Gitspace } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkout } from "../e2e/system.ts";
import { type House, openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";
import { violations } from "./verdict.ts";

const GRACE_MS = 20_000;
const pool = 'version: "1"\ninstances:\n  - { name: default, type: process, default: true, warm: 0, max: 4 }\n';
let house: House;
let url: string;
beforeAll(async () => {
  house = await openHouse({ pool, env: { GITSPACES_DELETE_GRACE_MS: String(GRACE_MS) } });
  url = house.repository("hello", { "README.md": "# hello\n" });
});
afterAll(async () => await house[Symbol.asyncDispose]());

/** The command line, as a person has it. */
async function gitspaces(...args: string[]): Promise<{ out: string; err: string }> {
  const { stdout: out, stderr: err } = await promisify(execFile)(join(checkout, "bin/gitspaces"), args, {
    env: {
      PATH: process.env["PATH"],
      HOME: house.data,
      GITSPACES_URL: house.system.up.ui,
      GITSPACES_TOKEN_FILE: house.system.up.admin_token_file,
    },
  });
  return { out, err };
}

async function vmOf(id: string): Promise<string> {
  const found = (await look(house)).vms.filter(({ gitspace }) => gitspace === id);
  expect(found).toHaveLength(1);
  return found[0]?.id ?? "";
}

/** The Gitspace's home as it lies on the disk, whole or half removed. */
const homeOf = (id: string) => readdirSync(join(house.data, "homes")).filter((name) => name.includes(id));

/** A running Gitspace with a file in its home. */
async function withFile(): Promise<{ id: string; vm: string }> {
  const { identifier: id } = await house.api.create(url);
  const vm = await vmOf(id);
  person(house).home(vm).write("precious");
  return { id, vm };
}

test("I3: what is deleted loses its VM at once and keeps its files, and an undelete brings both back", async () => {
  const { id, vm } = await withFile();
  const deleted = await gitspaces("delete", id, "--yes", "--wait");
  expect(deleted).toMatchObject({
    out: `${id} is deleted.\n`,
    err: expect.stringContaining(`gitspaces undelete ${id}`),
  });
  await until("nothing but the home is left", 30_000, async () => {
    return violations(await look(house), new Map([[id, "stopped"]]), 0).length === 0;
  });
  expect(existsSync(join(house.data, "vms", vm))).toBe(false);
  expect((await look(house)).homes).toEqual([{ id, attachedTo: null }]);
  expect(JSON.parse((await gitspaces("list", "--json")).out)).toEqual([]);
  const [listed] = JSON.parse((await gitspaces("list", "--deleted", "--json")).out) as Gitspace[];
  expect(listed).toMatchObject({ identifier: id, state: "deleted" });
  expect((listed?.undelete_until ?? 0) - Date.now()).toBeLessThanOrEqual(GRACE_MS);

  expect((await gitspaces("undelete", id)).out).toMatch(/^State +stopped$/m);
  await house.api.start(id);
  const again = await vmOf(id);
  expect(again).not.toBe(vm);
  expect(person(house).home(again).read()).toBe("precious");
  expect(violations(await look(house), new Map([[id, "running"]]), 0)).toEqual([]);
  await house.api.stop(id);
});

test("I3 I8: the files go when the grace is over, also when the control plane was killed meanwhile", async () => {
  const { id } = await withFile();
  await gitspaces("delete", id, "--yes", "--wait");
  const { undelete_until: kept } = await house.api.call<Gitspace>("GET", `gitspaces/${id}`);
  house.signal("control-plane", "SIGKILL");
  await until("the control plane is back", 30_000, async () => (await person(house).stateOf(id)).state !== "gone");
  expect(homeOf(id)).not.toEqual([]);
  house.arm("control-plane.afterRetry");
  await until(
    "the Gitspace is gone",
    GRACE_MS + 60_000,
    async () => (await person(house).stateOf(id)).state === "gone",
  );
  expect(Date.now()).toBeGreaterThanOrEqual(kept ?? Number.POSITIVE_INFINITY);
  expect(house.hasPassed("control-plane.afterRetry")).toBe(true);
  await until("its home is gone", 10_000, () => homeOf(id).length === 0);
  expect((await look(house)).homes.filter((home) => home.id === id)).toEqual([]);
  await expect(gitspaces("undelete", id)).rejects.toMatchObject({ code: 3 });
});
