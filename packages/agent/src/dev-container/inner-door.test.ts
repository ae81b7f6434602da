// The narrow door, knocked at from inside a real container.
import { createLog } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Allowance } from "../allowance.ts";
import { type TestContainer, testContainer } from "../testing/test-container.ts";
import { type TestInside, testInside } from "../testing/inside-folder.ts";
import { runInside } from "./in-container.ts";
import { type InnerDoor, openInnerDoor } from "./inner-door.ts";
import { INSIDE } from "./inside-folder.ts";

let vm: TestInside;
let box: TestContainer;
let door: InnerDoor;

const openDoor = async (allowance?: Allowance) =>
  await openInnerDoor({
    inside: vm.inside,
    log: createLog("agent", "silent"),
    ...(allowance === undefined ? {} : { allowance }),
    answers: {
      ports: () => [{ port: 3000, label: "web" }, { port: 5432 }],
      env: () => ({ GREETING: "it's\nfine", "odd name": "left out" }),
      git: async (path, body) =>
        await Promise.resolve(path === "/git/echo" ? { status: 200, text: `${body.length}` } : undefined),
    },
  });

beforeAll(async () => {
  vm = await testInside();
  box = await testContainer(vm.options);
  door = await openDoor();
  door.giveTo(box.container.user);
});
afterAll(async () => {
  await door[Symbol.asyncDispose]();
  await box[Symbol.asyncDispose]();
  await vm[Symbol.asyncDispose]();
});

const signal = () => AbortSignal.timeout(10_000);
const sh = async (script: string, user = "node") =>
  await runInside(box.engine, box.container, { args: ["sh", "-c", script], user, signal: signal() });

/** Knocks with curl's place taken by node: `method path` and a body of so many bytes; gives status and text. */
const KNOCK = `const [method, path, bytes] = process.argv.slice(1);
const asking = require("http").request({ socketPath: "${INSIDE.door}", method, path }, (answer) => {
  let text = ""; answer.on("data", (part) => text += part).on("end", () => console.log(answer.statusCode, text.slice(0, 300)));
}).on("error", (error) => console.log(error.code));
asking.end(Buffer.alloc(Number(bytes)));`;
const knock = async (method: string, path: string, bytes = 0, user = "node") => {
  const args = ["node", "-e", KNOCK, method, path, String(bytes)];
  return (await runInside(box.engine, box.container, { args, user, signal: signal() })).output.join("\n");
};

test("the command tells ports and variables, in words and as JSON", async () => {
  expect((await sh(`PATH=$PATH:${INSIDE.path}; gitspaces ports`)).output).toEqual(["3000\tweb", "5432"]);
  expect((await sh(`${INSIDE.command} ports --json`)).output).toEqual([
    '{"ports":[{"port":3000,"label":"web"},{"port":5432}]}',
  ]);
  expect((await sh(`eval "$(${INSIDE.command} env)"; echo "$GREETING"`)).output).toEqual(["it's", "fine"]);
});

test("a stop from inside is refused in words", async () => {
  const { code, output } = await sh(`${INSIDE.command} stop`);
  expect([code, output.join(" ")]).toEqual([1, expect.stringContaining("is not stopped from inside")]);
});

test("the command helps, and complains of what it does not know", async () => {
  const { code, output } = await sh(`${INSIDE.command} --help`);
  expect([code, output[0]]).toEqual([0, "Usage: gitspaces COMMAND [--json]"]);
  expect((await sh(`${INSIDE.command} constructor`)).code).toBe(64);
});

test("git's own paths are answered by git's handler, and nothing else is there", async () => {
  expect(await knock("POST", "/git/echo", 300_000)).toBe("200 300000");
  expect(await knock("POST", "/git/other")).toMatch(/^404 /);
  expect(await knock("GET", "/git/echo")).toMatch(/^404 /);
  expect(await knock("GET", "/")).toMatch(/^404 /);
});

test("too much is not read", async () => {
  expect(await knock("POST", "/git/echo", 5_000_000)).toMatch(/^(?:400 |EPIPE$|ECONNRESET$)/);
});

test("only the person's user may knock, and nobody can put another door in its place", async () => {
  expect(await knock("GET", "/ports", 0, "nobody")).toBe("EACCES");
  const { output } = await sh(`rm -f ${INSIDE.door} 2>/dev/null || echo kept`, "root");
  expect(output.at(-1)).toBe("kept");
  expect(await knock("GET", "/ports")).toMatch(/^200 /);
});

test("what is asked for too often is refused for a while", async () => {
  await door[Symbol.asyncDispose]();
  door = await openDoor(new Allowance(2, 60_000));
  expect(await knock("GET", "/ports")).toBe("EACCES");
  door.giveTo(box.container.user);
  expect([await knock("GET", "/ports"), await knock("GET", "/ports"), await knock("GET", "/ports")]).toEqual([
    expect.stringMatching(/^200 /),
    expect.stringMatching(/^200 /),
    expect.stringMatching(/^429 /),
  ]);
});
