import { expect, test } from "vitest";
import { headerPolicy } from "./header-policy.ts";

const policy = headerPolicy({
  host: "hello-k3v9x2.example.dev:8443",
  scheme: "https",
  clientAddress: "192.0.2.7",
  installation: "home",
});
const ours = [
  "X-Forwarded-For",
  "192.0.2.7",
  "X-Forwarded-Host",
  "hello-k3v9x2.example.dev:8443",
  "X-Forwarded-Proto",
  "https",
];

test.each([
  ["Connection", "keep-alive"],
  ["Keep-Alive", "timeout=5"],
  ["Proxy-Connection", "keep-alive"],
  ["Proxy-Authorization", "Basic x"],
  ["Transfer-Encoding", "chunked"],
  ["Upgrade", "h2c"],
  ["TE", "gzip"],
  ["Expect", "100-continue"],
  ["X-Forwarded-For", "6.6.6.6"],
  ["x-forwarded-host", "evil"],
  ["X-Forwarded-Anything", "evil"],
  ["Forwarded", "for=6.6.6.6"],
  ["X-Real-IP", "6.6.6.6"],
  ["X-Gs-User", "admin"],
  ["Gs-Gitspace", "other-a1b2c3"],
  ["X_Forwarded_For", "6.6.6.6"],
  ["Cookie", "__Host-gs-home=secret"],
  ["Cookie", "gs-home=secret; __Secure-gs-nonce-home=n"],
])("%s: %s does not pass to a Gitspace", (name, value) => {
  expect(policy.request([name, value])).toEqual(ours);
});

test("everything else passes as it was written, in its order", () => {
  const sent = [
    "Host",
    "h",
    "X-CaSe",
    "1",
    "Accept",
    "a",
    "Accept",
    "b",
    "TE",
    "trailers",
    "Origin",
    "https://h",
    "Sec-WebSocket-Key",
    "k",
  ];
  expect(policy.request(sent)).toEqual([...sent, ...ours]);
});

test("headers that Connection names stop here, but it can not take Host, cookies or lengths away", () => {
  const sent = [
    "Connection",
    "close, X-One , host,content-length, cookie",
    "X-One",
    "1",
    "Host",
    "h",
    "Content-Length",
    "3",
    "Cookie",
    "a=b",
  ];
  expect(policy.request(sent)).toEqual(["Host", "h", "Content-Length", "3", "Cookie", "a=b", ...ours]);
});

test("a person's own cookies pass without ours", () => {
  expect(policy.request(["Cookie", "a=1; __Host-gs-home=x; gs-other=2; gs-home=y;b=3"])).toEqual([
    "Cookie",
    "a=1; gs-other=2; b=3",
    ...ours,
  ]);
});

test.each([
  ["a=1; Path=/", true],
  ["a=1; Domain=hello-k3v9x2.example.dev", true],
  ["a=1; domain=.HELLO-k3v9x2.example.dev ", true],
  ["a=1; Domain=", true],
  ["a=1; Domain=example.dev", false],
  ["a=1; Path=/; DOMAIN = .example.dev; HttpOnly", false],
  ["a=1; Domain=hello-k3v9x2.example.dev; Domain=example.dev", false],
  ['a=1; Domain="example.dev"', false],
  ["__Host-gs-home=forged; Secure; Path=/", false],
  ["gs-home=forged", false],
  [" GS-home =forged", false],
  ["gs-nonce-home=forged; Path=/.gitspaces", false],
])("Set-Cookie %s passes: %s", (value, passes) => {
  expect(policy.response(["Set-Cookie", value])).toEqual(passes ? ["Set-Cookie", value] : []);
});

test("answers lose what concerns one hop only, and what leads past the gateway", () => {
  const answer = [
    "Connection",
    "X-Hop",
    "X-Hop",
    "1",
    "Keep-Alive",
    "timeout=5",
    "Transfer-Encoding",
    "chunked",
    "Alt-Svc",
    'h3=":443"',
    "Proxy-Authenticate",
    "Basic",
    "Trailer",
    "X-Sum",
    "ETag",
    "e",
  ];
  expect(policy.response(answer)).toEqual(["Trailer", "X-Sum", "ETag", "e"]);
});
