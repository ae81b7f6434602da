// What is shared of a Gitspace under what the installation allows, as its access document has it.
import { capVisibility, type Pass, type Visibility } from "@gitspaces/contracts";
import type { PassRow } from "./store/sharing.ts";
import type { Store } from "./store/store.ts";

/** The most that owners may choose on this installation. */
export function mostVisible(store: Store): Visibility {
  return store.visibility.most()?.most_visible ?? "public";
}

/** Visibility by port, as far as the installation allows it. */
export function portsOf(store: Store, gitspace: string): Record<string, Visibility> {
  const most = mostVisible(store);
  const ports: Record<string, Visibility> = {};
  for (const { port, visibility } of store.visibility.ofGitspace({ gitspace })) {
    const left = capVisibility(visibility, most);
    if (left !== "private") ports[String(port)] = left;
  }
  return ports;
}

/** The passes that open something of a Gitspace. A link lets anybody in who has it, so it counts as public. */
export function passesOf(store: Store, gitspace: string, owner: string, at: number): Pass[] {
  const areLinksAllowed = mostVisible(store) === "public";
  const rows = store.passes.ofGitspace({ gitspace, owner, at });
  return rows.filter(({ kind }) => kind === "token" || areLinksAllowed).map(publicHalf);
}

function publicHalf({ id, kind, key, ports, path, methods, expires_at: expiresAt }: PassRow): Pass {
  return {
    id,
    kind,
    key,
    ...(ports === null ? {} : { ports: JSON.parse(ports) as number[] }),
    path,
    ...(methods === null ? {} : { methods: JSON.parse(methods) as string[] }),
    expiresAt,
  };
}
