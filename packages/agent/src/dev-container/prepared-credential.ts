// The credential by which a pool's repository is prepared: in the VM's metadata until the VM counts as ready, and nowhere after.
import { readFileSync } from "node:fs";
import { AgentMetadata } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import { writeDurably } from "../durable-file.ts";

/** Rewrites the metadata file without the credential, durably; one without is left as it is. @throws when it cannot be written. */
export function wipeCredential(metadataFile: string): void {
  const metadata = AgentMetadata.parse(JSON.parse(readFileSync(metadataFile, "utf8")));
  const { preload } = metadata;
  if (preload?.repository?.credential === undefined) return;
  const { credential: _gone, ...repository } = preload.repository;
  writeDurably(metadataFile, JSON.stringify({ ...metadata, preload: { ...preload, repository } }));
  failpoint("agent.afterCredentialWiped");
}
