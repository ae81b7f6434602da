// How code-server is called: on a private socket, without a door of its own, without news from elsewhere. Pure.
import { join } from "node:path";
import { ideFolders } from "./home-folder.ts";

export type IdeCommand = { program: string; entry: string; args: string[]; socket: string; configuration: string };

/** code-server's main file in an image folder. */
export function ideEntry(imageFolder: string): string {
  return join(imageFolder, "node_modules/code-server/out/node/entry.js");
}

/** The program and arguments of the IDE of an image folder. */
export function ideCommand(
  imageFolder: string,
  home: string,
  runFolder: string,
  configuration: string = join(runFolder, "ide.yaml"),
): IdeCommand {
  const entry = ideEntry(imageFolder);
  const socket = join(runFolder, "ide.sock");
  const { data, extensions } = ideFolders(home);
  const args = [
    entry,
    "--config",
    configuration,
    "--auth",
    "none",
    "--socket",
    socket,
    "--session-socket",
    join(runFolder, "ide-session.sock"),
    "--user-data-dir",
    data,
    "--extensions-dir",
    extensions,
    "--app-name",
    "Gitspace",
    "--disable-telemetry",
    "--disable-update-check",
    "--disable-getting-started-override",
    "--disable-workspace-trust",
    // Ports are forwarded by the gateway, under its rules.
    "--disable-proxy",
  ];
  return { program: process.execPath, entry, args, socket, configuration };
}
