// What is secret in a house besides the tokens that people bring: of the installation, of each VM, of a visit.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { follow, type Jar } from "../e2e/session.ts";
import type { House } from "./house.ts";
import type { Canary } from "./secret-search.ts";

/** Each secret of the installation, with the one place it may have on disk. */
export function installationSecrets(house: House): Canary[] {
  const folder = join(house.data, "secrets");
  const files = readdirSync(folder).filter((name) => name !== "control-plane-keys.json");
  const secrets = files.map((name): Canary => {
    const text = readFileSync(join(folder, name), "utf8").trim();
    const rightful = new RegExp(`^secrets/${name}$`);
    return name === "signing-key.json"
      ? { name, text: (JSON.parse(text) as { d: string }).d, rightful }
      : { name, text, rightful };
  });
  const keys = ["ca", "delegate", "gateway"].flatMap((place) =>
    readdirSync(join(house.data, place))
      .filter((name) => /key.*\.pem$/.test(name))
      .map((name): Canary => pem(house, `${place}/${name}`)),
  );
  return [...secrets, ...keys];
}

function pem(house: House, path: string): Canary {
  const body = readFileSync(join(house.data, path), "utf8").replaceAll(/-----[^-]+-----|\s/g, "");
  // The first bytes only name the algorithm, and a file breaks its lines.
  return { name: path, text: body.slice(64, 124), rightful: new RegExp(`^${path.replaceAll(".", "\\.")}$`) };
}

/** What each VM keeps for itself: its enrolment token and its private keys. */
export function vmSecrets(house: House): Canary[] {
  return readdirSync(join(house.data, "vms")).flatMap((vm) => {
    const read = (file: string) => {
      const path = join(house.data, "vms", vm, file);
      return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, string>) : undefined;
    };
    const [token, key] = [read("metadata.json")?.["token"], read("state/sealing-key.json")?.["d"]];
    return [
      ...(token === undefined
        ? []
        : [{ name: `enrolment token of ${vm}`, text: token, rightful: new RegExp(`^vms/${vm}/metadata\\.json$`) }]),
      ...(key === undefined
        ? []
        : [{ name: `sealing key of ${vm}`, text: key, rightful: new RegExp(`^vms/${vm}/state/sealing-key\\.json$`) }]),
      ...(existsSync(join(house.data, "vms", vm, "state/key.pem")) ? [pem(house, `vms/${vm}/state/key.pem`)] : []),
    ];
  });
}

/** A visit by a browser: the link's code, the codes on the way, and every cookie it was given. */
export async function visit(house: House, id: string): Promise<Canary[]> {
  const link = await house.api.signInLink(id);
  const jar: Jar = new Map();
  const codes: string[] = [new URL(link).pathname.split("/").at(-1) ?? ""];
  const arrived = await follow(link, jar, ({ location }) => {
    const code = location === undefined ? null : new URL(location, link).searchParams.get("code");
    if (code !== null) codes.push(code);
  });
  expect(arrived.status).toBe(200);
  const cookies = [...jar.values()].flatMap((kept) => [...kept]).filter(([, value]) => value.length > 20);
  expect(codes).toHaveLength(2);
  expect(cookies.length).toBeGreaterThanOrEqual(2);
  // The signature is what makes a signed code or cookie worth something; the head of one is the same for all.
  const signature = (text: string) => text.split(".").at(-1) ?? "";
  return [
    ...codes.map((text, index) => ({ name: `one-time code ${index}`, text: signature(text) })),
    ...cookies.map(([name, text]) => ({ name: `cookie ${name}`, text: signature(text) })),
  ];
}
