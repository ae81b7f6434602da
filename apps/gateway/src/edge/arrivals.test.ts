// Who asks, and by which scheme: from the connection itself, or from a proxy that is trusted to say it.
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { makeArrivals } from "./arrivals.ts";

const from = (remoteAddress: string, headers: IncomingHttpHeaders = {}, encrypted = false) => ({
  headers,
  socket: { remoteAddress, encrypted } as unknown as Socket,
});
const spoofed = { "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "http" };

test.each<[string, string[], ReturnType<typeof from>, [string, string]]>([
  ["nobody is trusted unless told so", [], from("127.0.0.1", spoofed), ["127.0.0.1", "https"]],
  ["a peer outside the list is not believed", ["10.0.0.0/8"], from("11.0.0.1", spoofed), ["11.0.0.1", "https"]],
  ["IPv4 on a double stack is IPv4", [], from("::ffff:10.1.2.3"), ["10.1.2.3", "https"]],
  ["a trusted proxy names its client", ["10.0.0.0/8"], from("10.0.0.1", spoofed), ["6.6.6.6", "http"]],
  ["it is trusted on a double stack too", ["10.0.0.0/8"], from("::ffff:10.0.0.1", spoofed), ["6.6.6.6", "http"]],
  [
    "what a client wrote to the left of the proxy's word is not believed",
    ["10.0.0.0/8"],
    from("10.0.0.1", { "x-forwarded-for": "6.6.6.6, 7.7.7.7", "x-forwarded-proto": "http, https" }),
    ["7.7.7.7", "https"],
  ],
  [
    "a chain of trusted proxies is followed to the first that is not",
    ["10.0.0.0/8", "::1"],
    from("::1", { "x-forwarded-for": "6.6.6.6, 7.7.7.7, 10.0.0.9" }),
    ["7.7.7.7", "https"],
  ],
  [
    "what is no address is nobody's",
    ["10.0.0.0/8"],
    from("10.0.0.1", { "x-forwarded-for": "<script>", "x-forwarded-proto": "gopher" }),
    ["10.0.0.1", "https"],
  ],
  ["without a word the proxy itself is the client", ["10.0.0.0/8"], from("10.0.0.1"), ["10.0.0.1", "https"]],
])("%s", (_claim, proxies, request, [clientAddress, scheme]) => {
  expect(makeArrivals(proxies, "https").of(request)).toEqual({ clientAddress, scheme });
});

test("a connection over TLS is https whatever the public URL says", () => {
  expect(makeArrivals([], "http").of(from("127.0.0.1", {}, true)).scheme).toBe("https");
});

test("what is neither address nor CIDR is refused by name", () => {
  expect(() => makeArrivals(["10.0.0.0/8", "balancer"], "https")).toThrow("GITSPACES_TRUSTED_PROXIES should be");
});
