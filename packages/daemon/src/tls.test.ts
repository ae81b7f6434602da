import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { type Leaf, makeCa, newKey } from "./testing/ca.ts";
import { clientTls, keyFingerprint, peerName, serverTls, type TlsIdentity } from "./tls.ts";

const ca = await makeCa();
const other = await makeCa();
const gateway = await ca.issue({ role: "gateway", name: "front" });

type Met = { asServer: ReturnType<typeof peerName>; protocol: string | null };

/** Lets a client meet a server; gives what the server saw, or throws what stopped the client or the server. */
async function meet(server: TlsIdentity, client: TlsIdentity, expected: Parameters<typeof clientTls>[1]): Promise<Met> {
  await using opened = new AsyncDisposableStack();
  const listener = createServer(serverTls(server));
  opened.defer(() => void listener.close());
  listener.on("tlsClientError", () => undefined);
  listener.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => undefined);
    socket.end(JSON.stringify({ asServer: peerName(socket), protocol: socket.getProtocol() }));
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const socket = connect({
    host: "127.0.0.1",
    port: (listener.address() as AddressInfo).port,
    ...clientTls(client, expected),
  });
  opened.defer(() => void socket.destroy());
  let said = "";
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  // A TLS 1.3 client believes itself connected before the server has looked at its certificate.
  await new Promise<void>((resolve, reject) => socket.once("error", reject).once("end", resolve));
  if (said === "") throw new Error("the server sent the client away");
  return JSON.parse(said) as Met;
}

const vm = (leaf: Leaf = {}) => ca.issue({ role: "vm", name: "vm-1", ...leaf });

test("two of one installation meet in TLS 1.3, each knowing who the other is", async () => {
  const met = await meet(await vm(), gateway, { role: "vm", name: "vm-1" });
  expect(met).toEqual({
    asServer: { installation: "local-test", role: "gateway", name: "front" },
    protocol: "TLSv1.3",
  });
});

test("a key that is pinned may be the one shown, and no other of the same name", async () => {
  const key = newKey();
  const server = await vm({ key });
  const pinned = { role: "vm", name: "vm-1", keyFingerprint: keyFingerprint(key) } as const;
  await expect(meet(server, gateway, pinned)).resolves.toBeDefined();
  expect(keyFingerprint(server.certificate)).toBe(pinned.keyFingerprint);
  await expect(meet(await vm(), gateway, pinned)).rejects.toThrow("the peer's key is not the one on record");
  await expect(meet(server, gateway, { ...pinned, keyFingerprint: "" })).rejects.toThrow("not the one on record");
});

test.each<[string, Leaf, string]>([
  ["of another role", { role: "runner" }, "the peer is not a vm of local-test"],
  ["of another name", { name: "vm-2" }, "the peer is gs://local-test/vm/vm-2, expected vm-1"],
  ["of another installation, by the same CA", { installation: "local-else" }, "the peer is not a vm of local-test"],
  ["with two names", { uris: ["gs://local-test/vm/vm-1", "gs://local-test/vm/vm-2"] }, "the peer is not a vm"],
  [
    "with the same name twice",
    { uris: ["gs://local-test/vm/vm-1", "gs://local-test/vm/vm-1"] },
    "the peer is not a vm",
  ],
  ["with two names written as one", { uris: ["gs://local-test/vm/vm-1, URI:gs://local-test/vm/vm-2"] }, "not a vm"],
  ["with a name that only begins like ours", { uris: ["gs://local-test/vm/vm-1/more"] }, "the peer is not a vm"],
  ["that has expired", { from: Date.now() - 9e6, to: Date.now() - 1e6 }, "certificate has expired"],
])("a client turns away from a server %s", async (_what, leaf, why) => {
  await expect(meet(await vm(leaf), gateway, { role: "vm", name: "vm-1" })).rejects.toThrow(why);
});

test("a client turns away from a server of another CA that has the right name", async () => {
  const server = { ...(await other.issue({ role: "vm", name: "vm-1" })), ca: ca.certificate };
  await expect(meet(server, gateway, { role: "vm", name: "vm-1" })).rejects.toThrow(/certificate/);
});

test.each<[string, () => Promise<TlsIdentity>]>([
  ["of another CA", async () => ({ ...(await other.issue({ role: "gateway" })), ca: ca.certificate })],
  ["that has expired", async () => ca.issue({ role: "gateway", from: Date.now() - 9e6, to: Date.now() - 1e6 })],
  ["without a certificate", async () => ({ ...gateway, key: "", certificate: "" })],
])("a server sends away a client %s", async (_what, client) => {
  const identity = await client();
  await expect(meet(await vm(), identity, { role: "vm" })).rejects.toThrow(/sent the client away|alert|ECONNRESET/);
});

test("a client with two names is nobody to a server", async () => {
  const client = await ca.issue({ uris: ["gs://local-test/gateway/a", "gs://local-test/runner/a"] });
  expect((await meet(await vm(), client, { role: "vm" })).asServer).toBeUndefined();
});
