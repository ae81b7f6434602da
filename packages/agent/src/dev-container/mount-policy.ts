// Which mounts a dev container may have: volumes, memory, and the workspace. Never another folder of the VM.
import { fail } from "@gitspaces/contracts";
import { type Bounds, isInside } from "./policy.ts";

export type Mount = { type: string; source: string | undefined; rest: readonly (readonly [string, string])[] };

const ENGINE_SOCKET = /^\/(?:var\/)?run\/docker\.sock$/;
const harmlessKeys = new Set(["target", "dst", "destination", "readonly", "ro", "consistency", "volume-nocopy"]);
const tmpfsKeys = new Set([...harmlessKeys, "tmpfs-size", "tmpfs-mode"]);
const harmlessOptions = new Set(["ro", "rw", "cached", "delegated", "consistent", "z", "Z", "nocopy", ""]);

/** `type=bind,source=/a,target=/b` in its parts. */
export function parseMount(text: string): Mount {
  const pairs = text.split(",").map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? ([part, "true"] as const) : ([part.slice(0, at), part.slice(at + 1)] as const);
  });
  const last = (...names: string[]) => pairs.findLast(([key]) => names.includes(key))?.[1];
  return {
    type: last("type") ?? "volume",
    source: last("source", "src"),
    rest: pairs.filter(([key]) => key !== "type" && key !== "source" && key !== "src"),
  };
}

/**
 * The mount of the VM's volume for homes. Where a home is, the image or the configuration says: a comma in it would add fields to a
 * mount that no rule looks at again. @throws {FailureError} `devcontainer_invalid`
 */
export function homeMount(volume: string, home: string): string {
  if (/^\/[\p{L}\p{N}._@+/-]*$/u.test(home)) return `type=volume,source=${volume},target=${home}`;
  const message = `The home folder ${JSON.stringify(home)} of the remote user is not plainly written.`;
  throw fail("devcontainer_invalid", `${message} Give the user another one, then start again.`, {
    field: "remoteUser",
  });
}

/** Why a mount of `docker run --mount` is not made, or nothing. */
export function refuseMount(text: string, bounds: Bounds): string | undefined {
  if (bounds.ownMounts.includes(text)) return undefined;
  // The engine reads it as CSV: a quote would make one field of what is two here.
  if (/["\r\n]/.test(text)) return "it is not plainly written";
  const { type, source, rest } = parseMount(text);
  const keys = type === "tmpfs" ? tmpfsKeys : harmlessKeys;
  const odd = rest.find(([key]) => !keys.has(key));
  if (odd !== undefined) return `${odd[0]} may not be chosen`;
  if (type === "tmpfs") return undefined;
  if (type === "bind") return refuseBind(source ?? "", bounds);
  if (type === "volume") return source === undefined ? undefined : refuseVolumeName(source);
  return `a mount of type ${type} is not known here`;
}

/** Why a mount in the short form (`docker run --volume`, Compose) is not made, or nothing. */
export function refuseShortMount(text: string, bounds: Bounds): string | undefined {
  const [first = "", target, options = ""] = text.split(":");
  if (text.split(":").length > 3) return "it is not plainly written";
  if (target === undefined) return undefined;
  const odd = options.split(",").find((option) => !harmlessOptions.has(option));
  if (odd !== undefined) return `the option ${odd} may not be chosen`;
  return /^[./~]/.test(first) ? refuseBind(first, bounds) : refuseVolumeName(first);
}

/** Why a folder or file of the VM is not mounted, or nothing. */
export function refuseBind(source: string, bounds: Bounds): string | undefined {
  if (ENGINE_SOCKET.test(source)) {
    return bounds.policy.allowEngineSocket ? undefined : "whoever holds the engine's socket is root of the VM";
  }
  return isInside(source, bounds) ? undefined : "of the VM's folders only the workspace is mounted";
}

/** Why a volume of this name is not mounted, or nothing. */
export function refuseVolumeName(name: string): string | undefined {
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name)) return "it is not the name of a volume";
  return /^gitspaces?(?:[._-]|$)/.test(name) ? "it is the VM's own volume" : undefined;
}
