// What a fresh home folder needs before the person comes: a shell that looks friendly, and the IDE's folders and settings.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the IDE keeps its data and extensions in a home folder. */
export function ideFolders(home: string): { data: string; extensions: string } {
  const data = join(home, ".local/share/code-server");
  return { data, extensions: join(data, "extensions") };
}

const BASHRC = String.raw`# Yours to change; it is only written when it is missing.
case ":$PATH:" in *":$HOME/.local/bin:"*) ;; *) PATH="$HOME/.local/bin:$PATH" ;; esac
case $- in *i*) ;; *) return ;; esac
HISTCONTROL=ignoreboth
HISTSIZE=10000
shopt -s histappend checkwinsize
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
gitspace_branch() { git branch --show-current 2>/dev/null | sed 's/.*/ (&)/'; }
PS1='\[\e[1;32m\]\u\[\e[0m\] \[\e[1;34m\]\w\[\e[33m\]$(gitspace_branch)\[\e[0m\] \$ '
alias ls='ls --color=auto'
alias ll='ls -alF'
`;
const PROFILE = `# Yours to change; it is only written when it is missing.
[ -n "$BASH_VERSION" ] && [ -r "$HOME/.bashrc" ] && . "$HOME/.bashrc"
`;
/** What a person's settings begin with. */
export const USER_SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "git.openRepositoryInParentFolders": "never",
  "telemetry.telemetryLevel": "off",
};

function writeIfMissing(file: string, text: string): void {
  if (!existsSync(file)) writeFileSync(file, text);
}

/** Makes the IDE's folders; safe at any time, also in a home folder that is about to be replaced. */
export function makeIdeFolders(home: string): void {
  const { data, extensions } = ideFolders(home);
  for (const folder of [extensions, join(data, "User"), join(data, "Machine"), join(data, "logs")]) {
    mkdirSync(folder, { recursive: true });
  }
}

/** Prepares a home folder for the person. What is there already is theirs and stays. */
export function furnishHome(home: string): void {
  makeIdeFolders(home);
  writeIfMissing(join(home, ".bashrc"), BASHRC);
  writeIfMissing(join(home, ".profile"), PROFILE);
  writeIfMissing(join(ideFolders(home).data, "User/settings.json"), `${JSON.stringify(USER_SETTINGS, null, 2)}\n`);
}

/** Settings of the machine, ours to write at every start; they give terminals the environment the repository asks for. */
export function writeMachineSettings(home: string, terminalEnv: Record<string, string | null>): void {
  const settings = {
    "terminal.integrated.defaultProfile.linux": "bash",
    "terminal.integrated.env.linux": terminalEnv,
  };
  writeFileSync(join(ideFolders(home).data, "Machine/settings.json"), `${JSON.stringify(settings, null, 2)}\n`);
}

/** Lets the IDE open `folder` when asked for nothing in particular, unless the person left another one open that is still there. */
export function openFolderFirst(home: string, folder: string): void {
  const file = join(ideFolders(home).data, "coder.json");
  const remembered = readObject(file);
  const query = remembered["query"] as { folder?: unknown; workspace?: unknown } | undefined;
  const last = query?.folder ?? query?.workspace;
  if (typeof last === "string" && last.startsWith(`${home}/`) && existsSync(last)) return;
  writeFileSync(file, JSON.stringify({ ...remembered, query: { folder } }));
}

function readObject(file: string): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(readFileSync(file, "utf8"));
    return read !== null && typeof read === "object" && !Array.isArray(read) ? { ...read } : {};
  } catch {
    return {};
  }
}
