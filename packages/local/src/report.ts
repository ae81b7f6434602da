// What a person or a program reads while Gitspaces comes up: lines for people, one JSON line at the end for programs.
import type { Failure } from "@gitspaces/contracts";
import type { OpenGitspace } from "./hello.ts";
import type { Ports } from "./ports.ts";

export type Ready = {
  state: "ready";
  /** The control plane's page, without any secret. */
  ui: string;
  gitspace: OpenGitspace | null;
  took_ms: number;
  data: string;
  ports: Ports;
};

/** What happens on the way, from wherever the supervisor runs. */
export type News =
  | { news: "line"; text: string }
  | { news: "warning"; lines: string[] }
  | { news: "progress"; what: string; fraction: number }
  | { news: "ready"; ready: Ready; uiLink: string }
  | { news: "failure"; failure: Failure };

type Output = { out: (text: string) => void; err: (text: string) => void; isTerminal: boolean; json: boolean };

const CLEAR_TO_END_OF_LINE = "\u001b[K";

/** Tells news to a person, or with `json` keeps stdout for the one last line. */
export function reporter({ out, err, isTerminal, json }: Output): (news: News) => void {
  const say = json ? err : out;
  let shownTenths = 0;

  function progress(what: string, fraction: number): void {
    const tenths = Math.floor(fraction * 10);
    if (isTerminal) err(`\r${bar(what, fraction)}${CLEAR_TO_END_OF_LINE}${fraction >= 1 ? "\n" : ""}`);
    else if (tenths > shownTenths) err(`${what}: ${tenths * 10} %\n`);
    shownTenths = fraction >= 1 ? 0 : tenths;
  }

  return (news) => {
    switch (news.news) {
      case "line":
        return say(`${news.text}\n`);
      case "warning":
        return say(boxed(news.lines));
      case "progress":
        return progress(news.what, news.fraction);
      case "ready":
        return out(json ? `${JSON.stringify(news.ready)}\n` : links(news.ready, news.uiLink));
      case "failure":
        return json ? out(`${JSON.stringify({ failure: news.failure })}\n`) : err(`${news.failure.message}\n`);
    }
  };
}

function bar(what: string, fraction: number): string {
  const width = 30;
  const filled = Math.round(Math.min(1, fraction) * width);
  const percent = String(Math.floor(fraction * 100)).padStart(3);
  return `[${"#".repeat(filled)}${" ".repeat(width - filled)}] ${percent} % ${what}`;
}

function boxed(lines: string[]): string {
  const rule = "!".repeat(Math.max(...lines.map((line) => line.length)) + 4);
  return `${[rule, ...lines.map((line) => `! ${line}`), rule].join("\n")}\n`;
}

function links({ gitspace, ui, took_ms, data }: Ready, uiLink: string): string {
  const rows: [string, string][] = [
    ...(gitspace === null
      ? []
      : ([
          ["VS Code on hello", gitspace.sign_in_url],
          ["its address", gitspace.url],
        ] satisfies [string, string][])),
    ["Gitspaces", uiLink],
    ["its address", ui],
    ["data", data],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    "",
    `Gitspaces is up after ${(took_ms / 1_000).toFixed(1)} s.`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    "",
    "A link signs in whoever opens it first, within 10 minutes; bin/up prints new ones.",
    "",
  ].join("\n");
}
