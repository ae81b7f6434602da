// How this machine reaches Gitspaces by SSH, from what the control plane says.
import type { SshPlace } from "@gitspaces/contracts";
import { knownHosts, shellWord, type Way } from "./config-text.ts";
import { launcher, type SshFolders } from "./folders.ts";
import { writePrivateFile } from "./private-file.ts";

/** RFC 6761 section 6.3: names under `localhost` are loopback, and ssh's resolver does not always know. */
function dialled(host: string): string {
  return /(^|\.)localhost$/.test(host) ? "127.0.0.1" : host;
}

/** The way to the gateways. `overWebsocket`: inside HTTP, for networks that let nothing else out. */
export function wayTo(place: SshPlace, folders: SshFolders, identityFile: string, overWebsocket: boolean): Way {
  // %r is the user that ssh logs in as, which is the Gitspace's id.
  const proxyCommand = `${shellWord(launcher)} ssh-proxy --gateway ${shellWord(place.url)} %r`;
  return {
    host: dialled(place.host),
    port: place.port,
    alias: place.host,
    knownHosts: folders.knownHosts,
    identityFile,
    ...(overWebsocket ? { proxyCommand } : {}),
  };
}

/** Keeps the host keys that the control plane vouches for, so that nobody is asked to trust one at sight. */
export function keepHostKeys(place: SshPlace, folders: SshFolders): void {
  writePrivateFile(folders.knownHosts, knownHosts(place.host, place.host_keys));
}
