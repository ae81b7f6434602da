import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { postEnrolment } from "./enrolment-request.ts";
import { type Leaf, makeCa } from "./testing/ca.ts";
import { startListener } from "./testing/enrolment-listener.ts";

const ours = await makeCa();
const theirs = await makeCa();
const never = new AbortController().signal;
const answer = {
  certificate: "certificate",
  ca: ours.certificate,
  installation: "local-test",
  controlPlaneKeys: { keys: [] },
};
const post = (url: string, signal = never) =>
  postEnrolment(new URL("/enrol", url), ours.fingerprint, { token: "t", csr: "c" }, signal);

test("a listener with a runner's certificate of the pinned CA is believed and its answer given", async () => {
  const { key, certificate } = await ours.issue();
  await using listener = await startListener({ key, chain: certificate + ours.certificate }, () => ({
    status: 200,
    body: answer,
  }));
  expect(await post(listener.url)).toEqual(answer);
  expect(listener.asked).toEqual([{ path: "/enrol", body: { token: "t", csr: "c" } }]);
});

test.each<[string, () => Promise<{ key: string; chain: string }>]>([
  ["another CA", async () => chainOf(theirs, {}, theirs.certificate)],
  ["another CA's leaf beside the pinned CA", async () => chainOf(theirs, {}, ours.certificate)],
  [
    "another CA's chain with the pinned CA behind",
    async () => chainOf(theirs, {}, theirs.certificate + ours.certificate),
  ],
  ["no CA at all", async () => chainOf(ours, {}, "")],
  ["a VM's certificate", async () => chainOf(ours, { role: "vm" }, ours.certificate)],
  ["a gateway's certificate", async () => chainOf(ours, { role: "gateway" }, ours.certificate)],
  [
    "several names, a runner's among them",
    async () => chainOf(ours, { uris: ["gs://local-test/vm/a", "gs://local-test/runner/a"] }, ours.certificate),
  ],
  [
    "a certificate of yesterday",
    async () => chainOf(ours, { from: Date.now() - 9e6, to: Date.now() - 1e6 }, ours.certificate),
  ],
  [
    "a certificate of tomorrow",
    async () => chainOf(ours, { from: Date.now() + 1e6, to: Date.now() + 9e6 }, ours.certificate),
  ],
])("a listener with %s is refused before anything is said to it", async (_name, shown) => {
  await using listener = await startListener(await shown(), () => ({ status: 200, body: answer }));
  await expect(post(listener.url)).rejects.toMatchObject({
    failure: { code: "denied", message: expect.stringContaining(ours.fingerprint) as string, retry: "later" },
  });
  expect(listener.asked).toEqual([]);
});

async function chainOf(signer: typeof ours, leaf: Leaf, more: string): Promise<{ key: string; chain: string }> {
  const { key, certificate } = await signer.issue(leaf);
  return { key, chain: certificate + more };
}

test("the listener's own failure keeps its code, words and retry", async () => {
  const problem = {
    type: "about:blank",
    title: "denied",
    status: 403,
    detail: "The enrolment token was used.",
    code: "denied",
    retry: "never",
  };
  await using listener = await startListener(await chainOf(ours, {}, ours.certificate), () => ({
    status: 403,
    body: problem,
  }));
  await expect(post(listener.url)).rejects.toMatchObject({
    failure: { code: "denied", message: "The enrolment token was used.", retry: "never" },
  });
});

test("an answer that is not one is refused", async () => {
  await using listener = await startListener(await chainOf(ours, {}, ours.certificate), () => ({
    status: 200,
    body: { certificate: 7 },
  }));
  await expect(post(listener.url)).rejects.toThrow("enrolment answer");
});

test("somebody who listens and says nothing is waited for no longer than the signal lasts, also one that had already gone", async () => {
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  await expect(post(url, AbortSignal.timeout(50))).rejects.toThrow("timeout");
  await expect(post(url, AbortSignal.abort(new Error("stopping")))).rejects.toThrow("stopping");
  silent.close();
});
