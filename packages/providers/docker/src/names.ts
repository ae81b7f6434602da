// What everything of an installation is called in the engine, and the labels it is found by. Ids have no dots, so names are unambiguous.

/** The labels that we give to the engine's objects; the labels of a VM are inside `labels`, as JSON. */
export const mark = {
  installation: "gs-installation",
  kind: "gs-kind",
  vm: "gs-vm",
  pool: "gs-pool",
  labels: "gs-labels",
  createdAt: "gs-created-at",
  subnet: "gs-subnet",
} as const;

export type Kind = "vm" | "disk";

export type Names = ReturnType<typeof namesOf>;

/** The names of an installation's objects. */
export function namesOf(installation: string) {
  const prefix = `gs.${installation}.`;
  return {
    installation,
    prefix,
    network: `gs-${installation}`,
    vm: (id: string) => `${prefix}vm.${id}`,
    /** The VM's own Docker engine keeps its data here. */
    engine: (id: string) => `${prefix}vm.${id}.engine`,
    disk: (id: string) => `${prefix}disk.${id}`,
    entry: (kind: Kind, id: string, version: number) => `${prefix}${kind}.${id}.v${version}`,
    /** Says that an id is used up. */
    gone: (id: string) => `${prefix}gone.${id}`,
    plug: (print: string) => `${prefix}plug.${print}`,
    images: `${prefix}images`,
  };
}

/** What the name of a volume says about it; nothing when it is not one of ours. */
export function parseVolume(prefix: string, name: string): VolumeName | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const [what, id, detail, ...more] = name.slice(prefix.length).split(".");
  if (what === undefined || id === undefined || more.length > 0) return undefined;
  if (what === "gone") return { what: "gone", id };
  if (what !== "vm" && what !== "disk") return undefined;
  if (detail === undefined) return what === "disk" ? { what: "disk", id } : undefined;
  if (detail === "engine") return { what: "engine", id };
  const version = /^v([1-9][0-9]*)$/.exec(detail)?.[1];
  return version === undefined ? undefined : { what: "entry", kind: what, id, version: Number(version) };
}

type VolumeName =
  | { what: "gone" | "disk" | "engine"; id: string }
  | { what: "entry"; kind: Kind; id: string; version: number };
