// What is written into ssh's configuration, as text. Pure: people's files are only ever changed between our two marks.
import { fail } from "@gitspaces/contracts";

const BEGIN = "# >>> gitspaces: written by `gitspaces config-ssh`, taken out by `gitspaces config-ssh --remove`";
const END = "# <<< gitspaces";

/** How a Gitspace is reached by SSH. */
export type Way = {
  /** A name or address that ssh itself can resolve. */
  host: string;
  port: number;
  /** The name that host keys are kept under, whatever the address. */
  alias: string;
  knownHosts: string;
  identityFile: string;
  /** The shell line that carries the connection, when it is not dialled. */
  proxyCommand?: string;
};

/** The options of every connection, as `ssh_config(5)` names them. */
export function wayOptions(way: Way): [name: string, value: string][] {
  return [
    ["HostName", way.host],
    ["Port", String(way.port)],
    ["HostKeyAlias", way.alias],
    ["UserKnownHostsFile", quoted(way.knownHosts)],
    ["StrictHostKeyChecking", "yes"],
    ["UpdateHostKeys", "no"],
    ["IdentityFile", quoted(way.identityFile)],
    ["IdentitiesOnly", "yes"],
    // Until the greeting: a Gitspace that has to be started first is waited for behind the login.
    ["ConnectTimeout", "30"],
    ["ServerAliveInterval", "30"],
    ...(way.proxyCommand === undefined ? [] : [["ProxyCommand", way.proxyCommand] as [string, string]]),
  ];
}

/** The file of our own: `gitspaces.<id>` and `<id>.gitspace` for each Gitspace. The user is what names a Gitspace to the gateway. */
export function ownConfig(ids: readonly string[], way: Way): string {
  const hosts = ids.map((id) => `Host gitspaces.${id} ${id}.gitspace\n  User ${id}\n`);
  const options = wayOptions(way).map(([name, value]) => `  ${name} ${value}\n`);
  return [
    "# Written by `gitspaces config-ssh`, which replaces it: changes belong into ~/.ssh/config, below the Include.\n",
    ...hosts,
    `Host gitspaces.* *.gitspace\n${options.join("")}`,
  ].join("\n");
}

/** A known_hosts file with every host key of the gateways under one name. */
export function knownHosts(alias: string, hostKeys: readonly string[]): string {
  return hostKeys.map((key) => `${alias} ${key}\n`).join("");
}

/** The person's configuration with our section first, where it holds for every host; an earlier one of ours is replaced. */
export function withInclude(text: string, file: string): string {
  const rest = withoutInclude(text);
  return `${BEGIN}\nInclude ${quoted(file)}\n${END}\n${rest === "" ? "" : "\n"}${rest}`;
}

/** The person's configuration without our section; everything else is left as it is. @throws {FailureError} `bad_request` when a mark is missing. */
export function withoutInclude(text: string): string {
  const begin = lineAt(text, BEGIN);
  const end = lineAt(text, END);
  if (begin === undefined && end === undefined) return text;
  if (begin === undefined || end === undefined || end.from < begin.from)
    throw fail(
      "bad_request",
      `One of the two lines that mark our section is missing in ssh's configuration:
${BEGIN}
${END}
Take the other one out by hand, then run this again.`,
    );
  // The empty line behind the section came with it.
  const rest = text.slice(end.to);
  return text.slice(0, begin.from) + (begin.from === 0 ? rest.replace(/^\r?\n/, "") : rest);
}

function lineAt(text: string, line: string): { from: number; to: number } | undefined {
  for (let from = text.indexOf(line); from !== -1; from = text.indexOf(line, from + 1)) {
    const [all = ""] = /^[ \t]*(?:\r?\n|$)/.exec(text.slice(from + line.length)) ?? [undefined];
    const isWhole = /^[ \t]*(?:\r?\n|$)/.test(text.slice(from + line.length));
    if (isWhole && (from === 0 || text[from - 1] === "\n")) return { from, to: from + line.length + all.length };
  }
  return undefined;
}

/** A path as ssh_config reads it: in quotes, with its own signs taken literally. @throws {FailureError} `bad_request` for one it cannot express. */
function quoted(path: string): string {
  if (/["\n\r]/.test(path)) throw fail("bad_request", `ssh's configuration cannot name ${path}: move it elsewhere.`);
  return `"${path.replaceAll("\\", "\\\\").replaceAll("%", "%%")}"`;
}

/** One word for the shell that runs a ProxyCommand, with ssh's own signs taken literally. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`.replaceAll("%", "%%");
}
