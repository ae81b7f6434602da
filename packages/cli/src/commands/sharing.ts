// Who else reaches a Gitspace's ports: their visibility, and links for whoever has them.
import { fail, type Visibility } from "@gitspaces/contracts";
import { text } from "node:stream/consumers";
import type { CliContext } from "../program.ts";
import { columns } from "../columns.ts";
import { ago, moment } from "../moment.ts";
import { findGitspace } from "../reference.ts";
import { plain, type Terminal } from "../terminal.ts";
import { signedIn } from "./session.ts";

export type ShareOptions = { path?: string; methods?: string[]; expires?: number; name?: string };

/** Lists ports with who reaches them; with a port and a visibility, sets it. */
export async function ports(
  context: CliContext,
  reference: string,
  port: number | undefined,
  { visibility }: { visibility?: Visibility },
): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const { identifier: id, state } = await findGitspace(api, reference);
  if (port !== undefined && visibility !== undefined) {
    const set = await api.setVisibility(id, port, visibility);
    return terminal.out(terminal.json ? JSON.stringify(set) : `${plain(set.url)} is ${set.visibility} now.`);
  }
  if (visibility !== undefined || port !== undefined)
    throw fail("bad_request", "Name both: gitspaces ports ID PORT --visibility private|organisation|public");
  const sharing = await api.sharing(id);
  const listening = state === "running" ? (await api.ports(id)).ports : [];
  const quiet = sharing.ports.filter((shared) => listening.every((each) => each.port !== shared.port));
  const all = [
    ...listening.map((each) => ({ ...each, listens: true })),
    ...quiet.map(({ port: number, url, visibility: now }) => ({ port: number, url, visibility: now, listens: false })),
  ].toSorted((a, b) => a.port - b.port);
  if (terminal.json) return terminal.out(JSON.stringify({ most: sharing.most, ports: all }));
  if (all.length === 0) return terminal.err(`Nothing listens in ${id}, and nothing is open to others.`);
  const rows = all.map((each) => [String(each.port), each.visibility, each.listens ? "listens" : "-", plain(each.url)]);
  table(terminal, ["PORT", "VISIBILITY", "SERVER", "ADDRESS"], rows);
}

/** Makes a link to one port and prints it alone on stdout, this once. */
export async function share(
  context: CliContext,
  reference: string,
  port: number,
  options: ShareOptions,
): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const { path, methods, expires, name } = options;
  const made = await api.share(id, {
    port,
    ...(path === undefined ? {} : { path }),
    ...(methods === undefined ? {} : { methods }),
    ...(expires === undefined ? {} : { expires_in_seconds: expires }),
    ...(name === undefined ? {} : { name }),
  });
  if (terminal.json) return terminal.out(JSON.stringify(made));
  terminal.err(
    `${made.identifier}, good until ${moment(made.expires_at)}. Whoever has this may pass; it is shown this once:`,
  );
  terminal.out(plain(made.link));
  terminal.err(`Take it back with: gitspaces unshare ${id} ${made.identifier}`);
}

/** Lists the links of a Gitspace, or with one of them what was done with it. */
export async function shares(context: CliContext, reference: string, link: string | undefined): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const now = Date.now();
  if (link !== undefined) {
    const uses = await api.shareUses(id, link);
    if (terminal.json) return terminal.out(JSON.stringify(uses));
    const rows = uses.map(({ at, address, port, requests }) => [
      moment(at),
      plain(address),
      String(port),
      requests === 0 ? "opened" : `${requests} requests`,
    ]);
    return table(terminal, ["WHEN", "FROM", "PORT", "WHAT"], rows);
  }
  const found = await api.shares(id);
  if (terminal.json) return terminal.out(JSON.stringify(found));
  if (found.length === 0)
    return terminal.err(`Nothing of ${id} is shared. Make a link with: gitspaces share ${id} PORT`);
  const rows = found.map((each) => [
    each.identifier,
    String(each.port),
    each.path,
    each.methods?.join(",") ?? "all",
    moment(each.expires_at),
    each.last_used === null ? "never" : `${ago(each.last_used, now)}, ${each.requests} requests`,
    plain(each.name),
  ]);
  table(terminal, ["ID", "PORT", "PATH", "METHODS", "UNTIL", "USED", "FOR"], rows);
}

/** Takes a link back; what runs over it is closed. */
export async function unshare(context: CliContext, reference: string, link: string): Promise<void> {
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  await api.unshare(id, link);
  context.terminal.out(
    context.terminal.json ? JSON.stringify({ identifier: link, ended: true }) : `${link} opens nothing any more.`,
  );
}

/** Reads a link or token from stdin and prints one that opens less; nobody is asked. */
export async function narrow(context: CliContext, { path, methods, expires }: ShareOptions): Promise<void> {
  const { narrowPass } = await import("@gitspaces/contracts/passes");
  const given = (await text(process.stdin)).trim();
  const hash = given.lastIndexOf("#");
  const narrowed = narrowPass(given.slice(hash + 1), {
    ...(path === undefined ? {} : { path }),
    ...(methods === undefined ? {} : { methods }),
    ...(expires === undefined ? {} : { expiresAt: Date.now() + expires * 1_000 }),
  });
  const { terminal } = context;
  const whole = given.slice(0, hash + 1) + narrowed;
  terminal.out(terminal.json ? JSON.stringify({ link: whole }) : plain(whole));
}

function table(terminal: Terminal, head: string[], rows: string[][]): void {
  terminal.out(columns([head, ...rows], (cell, row) => (row === 0 ? terminal.paint("dim", cell) : cell)));
}
