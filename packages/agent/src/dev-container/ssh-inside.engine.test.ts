// SSH into real containers with the real client: of an image with glibc, of one without, and as root.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEngine } from "../testing/engine.ts";
import { type TestInside, testInside } from "../testing/inside-folder.ts";
import { makeSshKey, type Said, type SshKey, sshOptions, tell } from "../testing/ssh-client.ts";
import { type TestContainer, testContainer } from "../testing/test-container.ts";
import { openSshInside, type SshInside } from "./ssh-inside.ts";

const MUSL_IMAGE = "gitspaces-test/musl:latest";
const recipe = join(import.meta.dirname, "../../../../test/fixtures/musl-image");
let folder: string;
let key: SshKey;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ssh-inside-"));
  key = makeSshKey(folder, "key");
  const { env } = await openTestEngine();
  const build = ["build", "--quiet", "--tag", MUSL_IMAGE, recipe];
  await promisify(execFile)("docker", build, { env: { ...process.env, ...env } });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A port that leads to the container's sshd. */
async function relayTo(ssh: SshInside, { container }: TestContainer) {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    void ssh.dial(container, [key.publicKey]).then(
      ({ socket }) => {
        socket.on("error", () => client.destroy());
        client.on("error", () => socket.destroy());
        client.pipe(socket).pipe(client);
      },
      () => client.destroy(),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = String((server.address() as AddressInfo).port);
  return { port, [Symbol.dispose]: () => void server.close() };
}

const dev = { name: "dev", uid: 1000, gid: 1000, home: "/home/dev", shell: "/bin/sh" };
const root = { name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/sh" };

test.each([
  { what: "glibc", image: undefined, user: undefined, libc: { kind: "glibc", version: "2.36" } as const },
  { what: "musl", image: MUSL_IMAGE, user: dev, libc: { kind: "musl" } as const },
  { what: "root", image: undefined, user: root, libc: { kind: "glibc", version: "2.36" } as const },
])(
  "a session in a container ($what) is the person's, in the workspace, with its environment; files go both ways",
  async ({ image, user, libc }) => {
    await using vm: TestInside = await testInside();
    await using box = await testContainer(vm.options, {
      ...(image === undefined ? {} : { image }),
      ...(user === undefined ? {} : { user }),
    });
    box.container.libc = libc;
    box.container.workspaceFolder = "/tmp";
    box.container.env = { ...box.container.env, GREETING: "it's\nhere" };
    const ssh = openSshInside({ engine: box.engine, inside: vm.inside, home: folder });
    using relay = await relayTo(ssh, box);
    const { name, uid } = box.container.user;
    const call = async (...args: string[]): Promise<Said> =>
      await tell("ssh", [...sshOptions(key), "-p", relay.port, `${name}@127.0.0.1`, ...args], "typed");
    const said = await call('pwd; id -u; echo "$GREETING"; cat; exit 7');
    expect(said).toEqual({ code: 7, out: `/tmp\n${uid}\nit's\nhere\ntyped`, err: "" });
    expect((await call("-tt", "tty")).out).toMatch(/\/dev\/pts\/\d/);
    const options = [...sshOptions(key), "-P", relay.port];
    expect(await tell("scp", [...options, key.file, `${name}@127.0.0.1:sent`])).toMatchObject({ code: 0, err: "" });
    expect((await call("wc -c < sent; rm sent")).out.trim()).toMatch(/^\d{3}$/);
  },
  60_000,
);
