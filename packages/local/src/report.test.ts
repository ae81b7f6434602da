import { failure } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { portsFrom } from "./ports.ts";
import { type News, type Ready, reporter } from "./report.ts";

const ready: Ready = {
  state: "ready",
  ui: "http://localhost:7400",
  gitspace: {
    id: "hello-k3v9x2",
    url: "http://hello-k3v9x2.gitspaces.localhost:7401",
    sign_in_url: "http://localhost:7400/s/1",
  },
  took_ms: 4_210,
  data: "/somewhere/.data",
  ports: portsFrom(7400),
};
const up: News = { news: "ready", ready, uiLink: "http://localhost:7400/s/2" };

function told(news: News[], { json = false, isTerminal = false } = {}): { out: string; err: string } {
  const text = { out: "", err: "" };
  const tell = reporter({ out: (more) => (text.out += more), err: (more) => (text.err += more), isTerminal, json });
  for (const each of news) tell(each);
  return text;
}

test("a program reads one line of JSON and nothing else on stdout", () => {
  const { out } = told([{ news: "line", text: "Something happened." }, up], { json: true });
  expect(JSON.parse(out)).toEqual(ready);
  expect(out.endsWith("}\n")).toBe(true);
});

test("a failure is JSON for a program and its message for a person", () => {
  const news: News = { news: "failure", failure: failure("conflict", "Port 7400 is in use.") };
  expect(JSON.parse(told([news], { json: true }).out)).toEqual({
    failure: { code: "conflict", message: "Port 7400 is in use.", retry: "later" },
  });
  expect(told([news])).toEqual({ out: "", err: "Port 7400 is in use.\n" });
});

test("a person sees both links and how long it took", () => {
  const { out } = told([up]);
  expect(out).toContain("up after 4.2 s");
  expect(out).toContain("http://localhost:7400/s/1");
  expect(out).toContain("http://localhost:7400/s/2");
});

test("away from a terminal, progress is a line for each tenth", () => {
  const news = [0.04, 0.1, 0.15, 0.32, 1].map((fraction): News => ({ news: "progress", what: "Building", fraction }));
  expect(told(news).err).toBe("Building: 10 %\nBuilding: 30 %\nBuilding: 100 %\n");
});

test("on a terminal, progress is one line that fills", () => {
  const { err } = told(
    [0, 0.5, 1].map((fraction): News => ({ news: "progress", what: "Building", fraction })),
    { isTerminal: true },
  );
  expect(err.split("\r").at(-2)).toContain("[###############               ]  50 % Building");
  expect(err.endsWith("\n")).toBe(true);
});
