import { expect, test } from "vitest";
import { toFailure } from "@gitspaces/contracts";
import { holdToHost, whyNotAddress, whyNotHost } from "./repository-host.ts";

const person = { loopback: true };
const machine = { loopback: false };

test.each([
  ["the metadata service of most clouds", "169.254.169.254"],
  ["its neighbour that gives credentials to containers", "169.254.170.2"],
  ["any link-local address", "169.254.1.1"],
  ["the metadata service of Alibaba", "100.100.100.200"],
  ["the metadata service of Oracle", "192.0.0.192"],
  ["the wire server of Azure", "168.63.129.16"],
  ["the metadata service over IPv6", "fd00:ec2::254"],
  ["another one over IPv6", "fd20:ce::254"],
  ["a link-local IPv6 address", "fe80::1"],
  ["the metadata service mapped to IPv6", "::ffff:169.254.169.254"],
  ["the same in hexadecimal", "::ffff:a9fe:a9fe"],
  ["the metadata service behind NAT64", "64:ff9b::a9fe:a9fe"],
  ["the metadata service in 6to4", "2002:a9fe:a9fe::1"],
  ["many hosts at once", "224.0.0.1"],
  ["everybody", "255.255.255.255"],
  ["many hosts over IPv6", "ff02::1"],
])("nothing is ever cloned from %s", (_what, address) => {
  expect(whyNotAddress(address, person)).toBeDefined();
  expect(whyNotAddress(address, machine)).toBeDefined();
});

test.each([
  ["loopback", "127.0.0.1"],
  ["the rest of it", "127.8.9.10"],
  ["every address of this machine", "0.0.0.0"],
  ["loopback over IPv6", "::1"],
  ["no address over IPv6", "::"],
  ["loopback mapped to IPv6", "::ffff:127.0.0.1"],
  ["loopback behind NAT64", "64:ff9b::7f00:1"],
])("%s is cloned from only where it is the person's", (_what, address) => {
  expect(whyNotAddress(address, person)).toBeUndefined();
  expect(whyNotAddress(address, machine)).toBeDefined();
});

test.each(["10.0.0.5", "172.16.3.4", "192.168.1.10", "100.64.0.1", "203.0.113.9", "fd12:3456::7", "2001:db8::1"])(
  "a server of a company, or anyone's, at %s may be cloned from",
  (address) => {
    expect(whyNotAddress(address, machine)).toBeUndefined();
  },
);

test.each([
  "http://metadata.google.internal/a",
  "http://metadata.google.internal./a",
  "http://METADATA/a",
  "http://instance-data/a",
  "http://[fe80::1]/a",
  "http://[::ffff:169.254.169.254]/a",
  "http://169.254.169.254/latest",
])("the name %s tells enough", (url) => {
  expect(whyNotHost(url, person)).toBeDefined();
});

test("git is held to the addresses that were judged, so that a name cannot mean another one a moment later", async () => {
  const signal = AbortSignal.timeout(5_000);
  const held = await holdToHost("http://localhost:3000/a.git", person, {}, signal);
  expect(held[1]).toMatch(/^http\.curloptResolve=localhost:3000:(?:\[::1\]|127\.0\.0\.1)/);
  expect(await holdToHost("https://10.0.0.5/a.git", machine, {}, signal)).toEqual([]);
  const refused = await holdToHost("http://x.localhost:3000/a.git", machine, {}, signal).catch(toFailure);
  expect(refused).toMatchObject({ code: "bad_request", field: "repository.url" });
  const unknown = await holdToHost("https://nowhere.invalid/a.git", machine, {}, signal).catch(toFailure);
  expect(unknown).toMatchObject({ code: "repository_unreachable", retry: "later" });
});
