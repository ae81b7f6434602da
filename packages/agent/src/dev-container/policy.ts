// What a repository may ask of the VM that its dev container runs in. The container is hostile; the VM is not its to have. Pure.

export type Policy = {
  /** `--privileged`, devices and every capability. Root inside is then root of the VM. */
  allowPrivileged: boolean;
  /** The engine's socket inside. Whoever holds it is root of the VM. */
  allowEngineSocket: boolean;
  /** Images that may be used, as patterns; none means any. */
  allowedImages: string[];
};

export const strictPolicy: Policy = { allowPrivileged: false, allowEngineSocket: false, allowedImages: [] };

/** Whether an image may be used. A pattern without tag, digest and star means any tag of that image. */
export function isAllowedImage(image: string, { allowedImages }: Policy): boolean {
  if (allowedImages.length === 0) return true;
  return allowedImages.some((pattern) => {
    if (pattern.endsWith("*")) return image.startsWith(pattern.slice(0, -1));
    return image === pattern || (!hasTag(pattern) && withoutTag(image) === pattern);
  });
}

function hasTag(image: string): boolean {
  return withoutTag(image) !== image;
}

/** A colon before the last slash is a registry's port. */
function withoutTag(image: string): string {
  return image.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
}

/** What the rules need to know of the place; `resolve` follows symbolic links and gives nothing for what is not there. */
export type Bounds = {
  /** The folder of the clone on the VM, without symbolic links in it. */
  workspace: string;
  resolve(path: string): string | undefined;
  /** What the VM itself mounts: as given to `--mount`. */
  ownMounts: readonly string[];
  /** The labels that the VM sets itself, as given to `--label`. */
  ownLabels: readonly string[];
  /** Folders of the VM that the reference implementation builds features from. */
  ownFolders: readonly string[];
  policy: Policy;
};

/** Whether a path on the VM is the workspace or in it, wherever its symbolic links lead. */
export function isInside(path: string, { workspace, resolve }: Pick<Bounds, "workspace" | "resolve">): boolean {
  const real = resolve(path);
  return real !== undefined && (real === workspace || real.startsWith(`${workspace}/`));
}

/** Capabilities that stay inside of the container's own namespaces. SYS_PTRACE: debuggers; the container sees no process but its own. */
const harmlessCapabilities = new Set(
  `AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID IPC_LOCK KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
   SYS_CHROOT SYS_NICE SYS_PTRACE`.split(/\s+/),
);

/** Why a capability is not given, or nothing. */
export function refuseCapability(name: string, { allowPrivileged }: Policy): string | undefined {
  if (allowPrivileged || harmlessCapabilities.has(name.toUpperCase().replace(/^CAP_/, ""))) return undefined;
  return "it reaches beyond the dev container";
}

/** Why a security option is not set, or nothing. seccomp=unconfined: debuggers; a file would be read on the VM. */
export function refuseSecurityOption(option: string, { allowPrivileged }: Policy): string | undefined {
  const text = option.replace(":", "=");
  if (/^(?:seccomp=unconfined|no-new-privileges(?:=true|=false)?)$/.test(text)) return undefined;
  if (allowPrivileged && /^(?:apparmor|label|systempaths)=/.test(text)) return undefined;
  return "the VM's confinement of the dev container stays";
}

/** Labels by which the VM knows its own. */
export function isOwnLabel(label: string): boolean {
  return /^(?:gitspaces?[._-]|com\.docker\.compose\.)/.test(label);
}
