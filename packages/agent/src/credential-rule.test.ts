import { expect, test } from "vitest";
import { credentialFor, readRequest } from "./credential-rule.ts";

const secret = { username: "oauth2", password: "s3cret" };
const of = (repository: string, host: string) => ({ secrets: { git: [{ host, ...secret }] }, repository });
const https = of("https://git.example.com/team/app.git", "git.example.com");
const odd = of("https://git.example.com:8443/team/app", "git.example.com:8443");
const http = of("http://10.1.2.3:3000/team/app.git", "10.1.2.3:3000");
const ask = (text: string) => ({ protocol: "", host: "", ...readRequest(text) });

test.each([
  ["the host", https, "protocol=https\nhost=git.example.com\n"],
  ["the host with the port that goes without saying", https, "protocol=https\nhost=git.example.com:443\n"],
  ["the host in capitals", https, "protocol=https\nhost=GIT.Example.com\n"],
  ["the host with its port", odd, "protocol=https\nhost=git.example.com:8443\n"],
  ["a host whose repository is http", http, "protocol=http\nhost=10.1.2.3:3000\n"],
  ["the path of the repository", https, "protocol=https\nhost=git.example.com\npath=team/app.git\n"],
  ["the path written otherwise", https, "protocol=https\nhost=git.example.com\npath=team/app\n"],
  ["its large files", https, "protocol=https\nhost=git.example.com\npath=team/app.git/info/lfs\n"],
  ["the user", https, "protocol=https\nhost=git.example.com\nusername=oauth2\n"],
  [
    "a newer git",
    https,
    "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example.com\nwwwauth[]=Basic\n\n",
  ],
])("credentials are given for %s", (_what, given, text) => {
  expect(credentialFor(ask(text), given)).toEqual(secret);
});

test.each([
  ["another host", https, "protocol=https\nhost=evil.example.com\n"],
  ["a host below it", https, "protocol=https\nhost=x.git.example.com\n"],
  ["a host that ends like it", https, "protocol=https\nhost=evilgit.example.com\n"],
  ["a host that begins like it", https, "protocol=https\nhost=git.example.com.evil.com\n"],
  ["another port", https, "protocol=https\nhost=git.example.com:8443\n"],
  ["the port of another protocol", https, "protocol=http\nhost=git.example.com:443\n"],
  ["no port where there should be one", odd, "protocol=https\nhost=git.example.com\n"],
  ["http for what is https", https, "protocol=http\nhost=git.example.com\n"],
  ["http on the port of https", odd, "protocol=http\nhost=git.example.com:8443\n"],
  ["ftp", https, "protocol=ftp\nhost=git.example.com\n"],
  ["a user in the host", https, "protocol=https\nhost=x@git.example.com\n"],
  ["a path in the host", https, "protocol=https\nhost=git.example.com/..\n"],
  ["a host that an URL would decode", https, "protocol=https\nhost=git%2eexample.com\n"],
  ["a host of full-width letters", https, "protocol=https\nhost=ｇit.example.com\n"],
  ["another path", https, "protocol=https\nhost=git.example.com\npath=team/other.git\n"],
  ["a path above it", https, "protocol=https\nhost=git.example.com\npath=team\n"],
  ["another user", https, "protocol=https\nhost=git.example.com\nusername=root\n"],
  ["the host told twice", https, "protocol=https\nhost=evil.example\nhost=git.example.com\n"],
  ["the host after the end", https, "protocol=https\n\nhost=git.example.com\n"],
  ["a carriage return", https, "protocol=https\nhost=git.example.com\r\n"],
  ["no host", https, "protocol=https\n"],
  ["no protocol", https, "host=git.example.com\n"],
  ["what is no line", https, "protocol\nhost=git.example.com\n"],
  ["nothing", https, ""],
])("no credentials are given for %s", (_what, given, text) => {
  expect(credentialFor(ask(text), given)).toBeUndefined();
});

test("a secret with a line break in it, which would end in another answer, is not given", () => {
  const given = { ...https, secrets: { git: [{ host: "git.example.com", username: "a", password: "b\nhost=evil" }] } };
  expect(credentialFor(ask("protocol=https\nhost=git.example.com\n"), given)).toBeUndefined();
});
