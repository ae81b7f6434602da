// Prints a link that signs a browser in and opens a Gitspace; on a desktop it is opened as well.
import { spawn } from "node:child_process";
import type { CliContext } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

/** Prints a link that works once, for ten minutes. */
export async function open(context: CliContext, reference: string): Promise<void> {
  const { terminal, env } = context;
  const api = signedIn(context);
  const { identifier, state } = await findGitspace(api, reference);
  const link = await api.signInLink(identifier);
  if (terminal.json) return terminal.out(JSON.stringify(link));
  terminal.out(plain(link.sign_in_url));
  if (state !== "running") terminal.err(`${identifier} is ${state}. Start it with: gitspaces start ${identifier}`);
  if (terminal.interactive) await openBrowser(link.sign_in_url, env);
}

/** Hands the link to the desktop, if there is one; whoever has none still has the printed link. */
async function openBrowser(url: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (!/^https?:$/.test(new URL(url).protocol)) return;
  const desktop = process.platform === "darwin" || (env["DISPLAY"] ?? env["WAYLAND_DISPLAY"]) !== undefined;
  if (!desktop) return;
  await new Promise<void>((resolve) => {
    const child = spawn(process.platform === "darwin" ? "open" : "xdg-open", [url], {
      stdio: "ignore",
      detached: true,
    });
    child.once("error", () => resolve());
    child.once("spawn", () => resolve());
    child.unref();
  });
}
