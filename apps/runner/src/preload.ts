// What a new VM is told to hold before it counts as ready, from its pool.
import { type AgentMetadata, fail, type PoolSpec } from "@gitspaces/contracts";
import { readSecret } from "@gitspaces/daemon";

type Told = NonNullable<AgentMetadata["preload"]>;

/**
 * The pool's preload as an agent reads it; nothing when the pool names none. The credential is read anew for each VM, so that it
 * can be changed without a restart. @throws {FailureError} `bad_request` when its file cannot be read or is not `user:password`.
 */
export function preloadFor({ preload }: PoolSpec): Told | undefined {
  if (preload === undefined) return undefined;
  const { images, repository } = preload;
  if (repository === undefined) return images.length === 0 ? undefined : { images };
  const { url, branch, devcontainerPath, credentialFile } = repository;
  return {
    images,
    repository: {
      url,
      ...(branch === undefined ? {} : { branch }),
      ...(devcontainerPath === undefined ? {} : { devcontainerPath }),
      ...(credentialFile === undefined ? {} : { credential: credentialIn(credentialFile) }),
    },
  };
}

function credentialIn(file: string): { username: string; password: string } {
  const text = readSecret(file);
  const colon = text.indexOf(":");
  if (colon > 0) return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  throw fail("bad_request", `${file} (credential_file in pool.yml) should hold user:password, in one line.`, {
    field: "poolFile",
  });
}
