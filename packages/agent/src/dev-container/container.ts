// A dev container that runs, as the rest of the agent needs to know it.

export type Container = {
  /** The engine's full id. */
  id: string;
  /** The container's first process, in the VM's numbering: the door to its network. */
  pid: number;
  /** Who terminals, extensions and hooks run as. */
  user: { name: string; uid: number; gid: number; home: string; shell: string };
  /** The repository (or what the configuration names) as seen inside. */
  workspaceFolder: string;
  /** What a program of the person gets: the container's own variables, those of a login shell, then `remoteEnv`. */
  env: Record<string, string>;
  /** The C library of the image: what decides whether the IDE can run inside. */
  libc: { kind: "glibc"; version: string } | { kind: "musl" } | { kind: "none" };
  customizations: { extensions: string[]; settings: Record<string, unknown> };
  forwardPorts: (number | string)[];
  portsAttributes: Record<string, Record<string, unknown>>;
  /** The default image in place of one that could not be used, so that the person can get in and mend it. */
  recovery: { because: string } | null;
  /** One sentence for each thing that was asked for and not done. */
  notApplied: string[];
};
