// The programs through which git of the person asks this agent, and the configuration that names them. Pure: texts only.
// The configuration stands at git's system level, the lowest: whatever the person sets for themselves or a repository wins.

export type GitProgramsFor = {
  /** The folder in which the programs will stand, as the person's processes see it. */
  folder: string;
  /** The socket of the agent's door, as they see it. */
  door: string;
  /** A Node that runs there; without one `curl` is used. */
  node: string | undefined;
  /** The machine's own system configuration, read first. */
  include: string | undefined;
  /** The public half of the key to sign with. */
  signingKey: string | undefined;
};
export type TextFile = { name: string; text: string; mode: number };

export const CREDENTIALS_PATH = "/git/credentials";
export const SIGNATURE_PATH = "/git/signature";

const CLIENT = `
const { request } = require("node:http");
const [socketPath, path] = process.argv.slice(1);
const fail = (why) => { process.stderr.write("gitspaces: " + why + "\\n"); process.exitCode = 1; };
const parts = [];
process.stdin.on("data", (part) => parts.push(part)).on("end", () => {
  const options = { socketPath, path, method: "POST", timeout: 15000 };
  const asking = request(options, (response) => {
    if (response.statusCode === 200) response.pipe(process.stdout);
    else { let text = ""; response.on("data", (part) => (text += part)).on("end", () => fail(text.slice(0, 300))); }
  });
  asking.on("timeout", () => asking.destroy(new Error("no answer")));
  asking.on("error", (error) => fail("the agent does not answer: " + error.message));
  asking.end(Buffer.concat(parts));
});`;

/** The files to put into `folder`: two programs and `gitconfig`. */
export function gitPrograms({ folder, door, node, include, signingKey }: GitProgramsFor): TextFile[] {
  const ask = askFunction(door, node);
  const signer = signingKey === undefined ? [] : [{ name: SIGNER, text: signerProgram(ask, signingKey), mode: 0o755 }];
  return [
    { name: HELPER, text: helperProgram(ask), mode: 0o755 },
    ...signer,
    { name: "gitconfig", text: configuration(folder, include, signingKey), mode: 0o644 },
  ];
}

const HELPER = "git-credential-gitspaces";
const SIGNER = "git-sign-gitspaces";

function helperProgram(ask: string): string {
  return `#!/bin/sh
# Asks this Gitspace for the credentials of a git host. It never stores or forgets any.
if [ "$1" != get ]; then exec cat >/dev/null; fi
${ask}
ask ${CREDENTIALS_PATH}
`;
}

function signerProgram(ask: string, signingKey: string): string {
  return `#!/bin/sh
# Signs for git with the key of this Gitspace, which is not here; everything else is done by ssh-keygen.
operation="$1 $2"
ours=no
previous=
for last; do
  if [ "$previous" = -f ] && grep -qF ${quoted(signingKey)} "$last" 2>/dev/null; then ours=yes; fi
  previous=$last
done
if [ "$operation" != "-Y sign" ] || [ "$ours" = no ]; then exec ssh-keygen "$@"; fi
${ask}
ask ${SIGNATURE_PATH} <"$last" >"$last.sig" && exit 0
rm -f "$last.sig"
exit 1
`;
}

function askFunction(door: string, node: string | undefined): string {
  const asking =
    node === undefined
      ? `curl --silent --show-error --fail --max-time 15 --noproxy '*' --unix-socket ${quoted(door)} --data-binary @- "http://door$1"`
      : `${quoted(node)} -e ${quoted(CLIENT)} ${quoted(door)} "$1"`;
  return `unset NODE_OPTIONS NODE_EXTRA_CA_CERTS\nask() {\n  ${asking}\n}`;
}

function configuration(folder: string, include: string | undefined, signingKey: string | undefined): string {
  const value = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  const signing = [
    "[gpg]",
    "\tformat = ssh",
    '[gpg "ssh"]',
    `\tprogram = ${value(`${folder}/${SIGNER}`)}`,
    "[user]",
    `\tsigningkey = ${value(`key::${signingKey ?? ""}`)}`,
    "[commit]",
    "\tgpgsign = true",
  ];
  return `${[
    "# Written by the Gitspace at each start. What you set with `git config --global` or in a repository is read later and wins.",
    ...(include === undefined ? [] : ["[include]", `\tpath = ${value(include)}`]),
    "[credential]",
    `\thelper = ${value(`!${quoted(`${folder}/${HELPER}`)}`)}`,
    ...(signingKey === undefined ? [] : signing),
  ].join("\n")}\n`;
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
