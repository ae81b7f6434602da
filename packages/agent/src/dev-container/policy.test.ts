// What hostile repositories, features and images ask for, and what becomes of it. No engine is needed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { FailureError } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { splitComposeArgs } from "./compose-args.ts";
import { orderServices } from "./compose-order.ts";
import { checkCompose } from "./compose-policy.ts";
import { sanitise } from "./configuration-policy.ts";
import { type Bounds, isAllowedImage, strictPolicy } from "./policy.ts";
import { homeMount } from "./mount-policy.ts";
import { readPolicy } from "./policy-file.ts";
import { filterRun, filterRunArgs } from "./run-policy.ts";

const HOME = "type=volume,source=gitspace-home,target=/home/node";
const links: Record<string, string> = { "/w/link": "/etc", "/w/.devcontainer/out": "/etc/passwd" };
const bounds: Bounds = {
  workspace: "/w",
  resolve: (path) => (path.includes("missing") ? undefined : (links[path] ?? resolve(path))),
  ownMounts: [HOME],
  ownLabels: ["gitspaces.workspace=/w"],
  ownFolders: ["/run/raising"],
  policy: strictPolicy,
};
const generous: Bounds = { ...bounds, policy: { ...strictPolicy, allowPrivileged: true, allowEngineSocket: true } };

test.each([
  ["--privileged"],
  ["--privileged=true"],
  ["--device=/dev/sda"],
  ["--network=name=host"],
  ["--network", "alias=a, Name = HOST"],
  ["--net", '"name=host"'],
  ["--network=name=container:other"],
  ["--device", "/dev/mem"],
  ["--device-cgroup-rule=a *:* rwm"],
  ["--cap-add=SYS_ADMIN"],
  ["--cap-add", "ALL"],
  ["--cap-add=cap_sys_module"],
  ["--cap-add=SYS_RAWIO"],
  ["--cap-add=DAC_READ_SEARCH"],
  ["--cap-add=NET_ADMIN"],
  ["--security-opt=apparmor=unconfined"],
  ["--security-opt", "apparmor:unconfined"],
  ["--security-opt=systempaths=unconfined"],
  ["--security-opt=seccomp=/etc/gitspaces/metadata.json"],
  ["--security-opt=label=disable"],
  ["--network=host"],
  ["--net", "host"],
  ["--network=container:other"],
  ["--pid=host"],
  ["--pid", "container:other"],
  ["--ipc=host"],
  ["--uts=host"],
  ["--userns=host"],
  ["--cgroupns=host"],
  ["--cgroup-parent=/"],
  ["--volumes-from=other"],
  ["--volume", "/:/host"],
  ["-v/:/host"],
  ["-v", "/var/run/docker.sock:/var/run/docker.sock"],
  ["-v", "/w/link:/etc-of-the-vm"],
  ["-v", "/w/../etc:/x"],
  ["-v", "gitspace-home:/stolen"],
  ["-v", "/w:/x:shared"],
  ["--volume=relative/../../x:/x"],
  ["--mount", "type=bind,source=/,target=/host"],
  ["--mount=type=bind,src=/etc,dst=/x"],
  ["--mount=type=bind,source=/w,source=/etc,target=/x"],
  ["--mount=type=bind,source=/w,target=/x,bind-propagation=shared"],
  ["--mount=type=volume,source=v,target=/x,volume-opt=type=none,volume-opt=device=/,volume-opt=o=bind"],
  ["--mount=type=volume,source=v,target=/x,volume-driver=other"],
  ['--mount=type=bind,"source=/",target=/x'],
  ["--mount=type=npipe,source=a,target=/x"],
  ["--mount=type=bind,source=/run/docker.sock,target=/x"],
  ["--volume-driver=other"],
  ["--env-file=/etc/gitspaces/metadata.json"],
  ["--label-file=/etc/shadow"],
  ["--cidfile=/etc/cron.d/x"],
  ["--label", "gitspaces.workspace=/other"],
  ["-lgitspaces.config=1"],
  ["-l", "com.docker.compose.project=x"],
  ["--restart=always"],
  ["--runtime=other"],
  ["--storage-opt=size=1G"],
  ["--log-driver=syslog"],
  ["--sysctl=kernel.core_pattern=|/x"],
  ["-p", "8083:8083"],
  ["-P"],
  ["--publish-all"],
  ["--rm"],
  ["--oom-kill-disable"],
  ["--use-api-socket"],
  ["--future-option=x"],
  ["--future-option", "value"],
  ["-Pit"],
  ["plain"],
])("runArgs %s %s is left out, with a sentence, and what stands beside it stays", (...args) => {
  const { kept, notApplied } = filterRunArgs(["--init", ...args, "--env", "A=b"], bounds);
  expect(kept).toEqual(["--init", "--env", "A=b"]);
  expect(notApplied).toHaveLength(1);
  expect(notApplied[0]).toContain(args.join(" "));
});

test.each([
  ["--cap-add=SYS_PTRACE"],
  ["--security-opt", "seccomp=unconfined"],
  ["--security-opt=no-new-privileges"],
  ["--network=my-network"],
  ["--ipc=shareable"],
  ["--shm-size=1g"],
  ["-e", "A=b"],
  ["-eA=b"],
  ["--gpus", "all"],
  ["--privileged=false"],
  ["-v", "cache:/cache"],
  ["--network", "name=mine,alias=app"],
  ["-v", "/w/sub:/sub:ro,cached"],
  ["--volume=/anonymous"],
  ["--mount", "type=bind,source=/w/sub,target=/sub,readonly"],
  ["--mount", "type=volume,source=cache,target=/cache"],
  ["--mount", "type=tmpfs,target=/scratch,tmpfs-size=1000"],
  ["--mount", HOME],
  ["--sysctl=net.core.somaxconn=1024"],
])("runArgs %s %s is harmless", (...args) => {
  expect(filterRunArgs(args, bounds)).toEqual({ kept: args, notApplied: [] });
});

test("a policy may give privileges and the engine's socket, and never another folder of the VM", () => {
  const asked = ["--privileged", "--device=/dev/kvm", "--cap-add=SYS_ADMIN", "-v", "/var/run/docker.sock:/s"];
  expect(filterRunArgs(asked, generous)).toEqual({ kept: asked, notApplied: [] });
  expect(filterRunArgs(["-v", "/:/host", "--network=host", "--pid=host"], generous).kept).toEqual([]);
});

test("the gate sees the whole command: labels and mounts of the VM pass, an image's label gets nothing", () => {
  const own = ["--sig-proxy=false", "-a", "STDOUT", "--mount", HOME, "-l", "gitspaces.workspace=/w"];
  const asked = ["--privileged", "--mount", "type=bind,source=/,target=/host"];
  const rest = ["--entrypoint", "/bin/sh", "image", "-c", "--privileged", "-"];
  expect(filterRun([...own, ...asked, ...rest], bounds)).toMatchObject({ kept: [...own, ...rest] });
  expect(filterRun([...own, "--future", "x", ...rest], bounds)).toHaveProperty("unclear");
  expect(filterRun(["-itP", "image"], bounds)).toHaveProperty("unclear");
  expect(filterRun(["--ip6", "fd00::1", "--privileged", "image"], bounds)).toHaveProperty("unclear");
});

test.each(["/home/x,type=bind,source=/", "/home/x:/y", '/home/"x"', "/home/${localEnv:X}", "/home/x\ny", "home", ""])(
  "a user whose home is %j gets no mount",
  (home) => {
    expect(() => homeMount("gitspace-home", home)).toThrow(FailureError);
  },
);

test("a home that is plainly written is where the VM's volume is mounted", () => {
  expect(homeMount("gitspace-home", "/home/node")).toBe(HOME);
  expect(homeMount("gitspace-home", "/home/josé.b-1")).toContain("target=/home/josé.b-1");
});

function clean(configuration: Record<string, unknown>, path: string | undefined = ".devcontainer/devcontainer.json") {
  return sanitise({ path, configuration, notes: [] }, bounds);
}

test.each<[Record<string, unknown>, Record<string, unknown>]>([
  [{ image: "i", initializeCommand: "curl x | sh" }, { image: "i" }],
  [{ image: "i", privileged: true, appPort: 3000 }, { image: "i" }],
  [{ capAdd: ["SYS_ADMIN", "SYS_PTRACE"] }, { capAdd: ["SYS_PTRACE"] }],
  [{ securityOpt: ["apparmor=unconfined", "seccomp=unconfined"] }, { securityOpt: ["seccomp=unconfined"] }],
  [{ mounts: ["source=/,target=/host,type=bind", "source=c,target=/c"] }, { mounts: ["source=c,target=/c"] }],
  [{ mounts: [{ type: "bind", source: "/etc", target: "/x" }] }, { mounts: [] }],
  [{ mounts: ["source=${localEnv:HOME}/.ssh,target=/x,type=bind"] }, { mounts: [] }],
  [{ workspaceMount: "source=/,target=/w,type=bind", workspaceFolder: "/w" }, {}],
  [{ workspaceMount: "source=v,target=/w,type=volume", workspaceFolder: "/w" }, {}],
  [
    { build: { options: ["--network=host", "--network", "host", "--secret", "id=x,src=/etc/shadow", "--pull"] } },
    { build: { options: ["--pull"] } },
  ],
  [
    { build: { options: ["--pull", "${localEnv:NONE:--secret=id=x,src=/etc/shadow}", "--rm", "x"] } },
    { build: { options: ["--pull", "--rm"] } },
  ],
  [{ build: { options: ["-f", "/etc/passwd", "--ssh=default", "--output=/etc"] } }, { build: { options: [] } }],
])("%o becomes %o", (asked, left) => {
  const { configuration, notApplied } = clean(asked);
  expect(configuration).toEqual(left);
  expect(notApplied.length).toBeGreaterThan(0);
});

test("the clone itself may be mounted elsewhere", () => {
  const asked = { workspaceMount: "source=${localWorkspaceFolder},target=/src,type=bind", workspaceFolder: "/src/a" };
  expect(clean(asked)).toEqual({ configuration: asked, notApplied: [] });
});

test.each<[Record<string, unknown>, string]>([
  [{ build: { dockerfile: "out" } }, "build.dockerfile"],
  [{ build: { dockerfile: "${localEnv:NONE:/etc/passwd}" } }, "build.dockerfile"],
  [{ build: { dockerfile: "Dockerfile", context: "${localEnv:NONE:/}" } }, "build.context"],
  [{ build: { dockerfile: "Dockerfile", context: "../.." } }, "build.context"],
  [{ build: { dockerfile: "missing" } }, "build.dockerfile"],
  [{ dockerFile: "/etc/passwd" }, "dockerFile"],
  [{ dockerComposeFile: ["a.yml", "../../../etc/x.yml"] }, "dockerComposeFile"],
  [{ features: { "../../../etc": {} } }, "features"],
])("%o is refused, since it would build something else without it", (asked, field) => {
  expect(failureOf(() => clean(asked))).toMatchObject({ code: "devcontainer_invalid", field });
});

function failureOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error instanceof FailureError ? error.failure : error;
  }
}

test.each<[string, unknown]>([
  ["privileged", true],
  ["network_mode", "host"],
  ["network_mode", "container:other"],
  ["pid", "host"],
  ["ipc", "host"],
  ["uts", "host"],
  ["userns_mode", "host"],
  ["cgroup", "host"],
  ["cgroup_parent", "/"],
  ["devices", ["/dev/sda:/dev/sda"]],
  ["device_cgroup_rules", ["a *:* rwm"]],
  ["cap_add", ["SYS_ADMIN"]],
  ["security_opt", ["apparmor:unconfined"]],
  ["volumes", ["/:/host:rw"]],
  ["volumes", ["/w/link:/x:rw"]],
  ["volumes", [{ type: "bind", source: "/etc", target: "/x" }]],
  ["volumes", [{ type: "bind", source: "/w", target: "/x", bind: { propagation: "shared" } }]],
  ["volumes", ["gitspace-home:/stolen:rw"]],
  ["volumes", ["/var/run/docker.sock:/var/run/docker.sock:rw"]],
  ["volumes_from", ["container:other"]],
  ["labels", { "gitspaces.workspace": "/other" }],
  ["build", { context: "/" }],
  ["build", { context: "/w", dockerfile: "/etc/passwd" }],
  ["build", { context: "/w", network: "host" }],
  ["build", { context: "/w", ssh: ["default"] }],
  ["build", { context: "/w", additional_contexts: { a: "/etc" } }],
  ["sysctls", { "kernel.core_pattern": "|/x" }],
  ["runtime", "other"],
  ["logging", { driver: "syslog" }],
  ["credential_spec", { file: "x" }],
  ["provider", { type: "anything" }],
  ["use_api_socket", true],
  ["future_key", 1],
])(
  "Compose: %s: %o breaks a rule, named with its service, and is gone from what the gate lets through",
  (key, value) => {
    const file = { services: { app: { image: "i" }, db: { image: "i", [key]: value } } };
    const checked = checkCompose(file, bounds);
    expect(checked.broken).toMatchObject([{ service: "db", key }]);
    expect(checked.file.services?.["db"]).toEqual({ image: "i" });
  },
);

test("Compose: of a list only what breaks a rule goes", () => {
  const { file, broken } = checkCompose(
    { services: { app: { volumes: ["/w:/w:rw", "/etc:/x:rw", "data:/d:rw"], cap_add: ["ALL", "SYS_PTRACE"] } } },
    bounds,
  );
  expect(broken).toHaveLength(2);
  expect(file.services?.["app"]).toEqual({ volumes: ["/w:/w:rw", "data:/d:rw"], cap_add: ["SYS_PTRACE"] });
});

test.each<[string, unknown]>([
  ["volumes", { data: { driver_opts: { type: "none", o: "bind", device: "/" } } }],
  ["volumes", { data: { driver: "other" } }],
  ["volumes", { data: { external: { name: "gitspace-home" } } }],
  ["networks", { front: { driver: "macvlan" } }],
  ["networks", { front: { driver: "host" } }],
  ["networks", { front: { name: "host", external: true } }],
  ["networks", { default: { external: { name: "host" } } }],
  ["networks", { host: { external: true } }],
  ["secrets", { key: { file: "/etc/shadow" } }],
  ["configs", { key: { file: "/etc/shadow" } }],
  ["include", ["/etc/x.yml"]],
])("Compose: %s %o breaks a rule", (section, value) => {
  expect(checkCompose({ services: { app: { image: "i" } }, [section]: value }, bounds).broken).toHaveLength(1);
});

test("what usual Compose files hold passes; ports and restarts are done otherwise and told", () => {
  const file = {
    version: "3.8",
    services: {
      app: {
        build: { context: "/w", dockerfile: ".devcontainer/Dockerfile", args: { A: "1" } },
        volumes: ["/w:/workspaces/w:cached", "data:/data:rw", HOME.replace(/.*source=(.*),target=/, "$1:")],
        network_mode: "service:db",
        cap_add: ["SYS_PTRACE"],
        security_opt: ["seccomp:unconfined"],
        command: "sleep infinity",
      },
      db: { image: "db", restart: "unless-stopped", ports: ["5432:5432"], environment: { A: "1" } },
    },
    volumes: { data: {}, "gitspace-home": { external: true } },
    networks: { default: { driver: "bridge" } },
  };
  const checked = checkCompose(file, bounds);
  expect(checked.broken).toEqual([]);
  expect(checked.notApplied).toHaveLength(2);
  expect(checked.file).toMatchObject({ services: { db: { image: "db", environment: { A: "1" } } } });
});

test("Compose: who could put a link in the place of a mounted folder starts after its service, or the file is refused", () => {
  const app = { volumes: ["/w:/w:rw"] };
  const db = { volumes: ["/w/init.sql:/init.sql:ro"] };
  expect(orderServices({ services: { app, db } })).toEqual({
    broken: [],
    file: { services: { app: { ...app, depends_on: ["db"] }, db } },
  });
  const ordered = { services: { app: { ...app, network_mode: "service:db" }, db } };
  expect(orderServices(ordered)).toEqual({ broken: [], file: ordered });
  const hostile = { services: { app, db: { ...db, depends_on: { app: { condition: "service_started" } } } } };
  expect(orderServices(hostile).broken).toMatchObject([{ service: "db", key: "volumes" }]);
  const secret = {
    services: { app, db: { secrets: [{ source: "key", target: "k" }] } },
    secrets: { key: { file: "/w/key" } },
  };
  expect(orderServices(secret).file.services?.["app"]).toMatchObject({ depends_on: ["db"] });
  const config = { services: { app, db: { configs: ["c"] } }, configs: { c: { file: "/w/c" } } };
  expect(orderServices(config).file.services?.["app"]).toMatchObject({ depends_on: ["db"] });
  const apart = { services: { web: { volumes: ["/w/web:/app:rw"] }, api: { volumes: ["/w/api:/app:rw"] } } };
  expect(orderServices(apart)).toEqual({ broken: [], file: apart });
});

test("Compose's files are told from its other options", () => {
  expect(splitComposeArgs(["--project-name", "p", "-f", "a", "--file=b", "up", "-d", "-f"])).toEqual({
    before: ["--project-name", "p"],
    files: ["a", "b"],
    after: ["up", "-d", "-f"],
  });
});

test.each([
  ["team/image:1", ["team/image"], true],
  ["team/image@sha256:ab", ["team/image"], true],
  ["team/image:2", ["team/image:1"], false],
  ["team/other:1", ["team/*"], true],
  ["teams/other", ["team/*"], false],
  ["team/image:dev-1", ["team/image:dev*"], true],
  ["team/image:1", ["team/image:dev*"], false],
  ["host:5000/image", ["host:5000/image"], true],
  ["anything", [], true],
])("with %s and the patterns %o: %s", (image, allowedImages, isAllowed) => {
  expect(isAllowedImage(image, { ...strictPolicy, allowedImages })).toBe(isAllowed);
});

test("a policy file is strict where it says nothing, and names what it has wrong", () => {
  const folder = mkdtempSync(join(tmpdir(), "policy-"));
  try {
    const read = (text: string) => {
      writeFileSync(join(folder, "policy"), text);
      return readPolicy(join(folder, "policy"));
    };
    expect(read("")).toEqual(strictPolicy);
    expect(read("allowPrivileged: true\nallowedImages: ['team/*']")).toMatchObject({
      allowPrivileged: true,
      allowedImages: ["team/*"],
    });
    for (const text of [
      "allowAll: true",
      '{"allowedImages":["*"]}',
      '{"allowedImages":["a*b"]}',
      "allowedImages: [a/]",
    ])
      expect(() => read(text)).toThrow(FailureError);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
