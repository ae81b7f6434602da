// Whether the programs of this VM run in an image, judged by its C library. Pure.
import type { Container } from "./container.ts";

/** Node itself does not run with an older one. */
const OLDEST_GLIBC = "2.28";

/** Nothing when only trying can tell. `ofVm` is the glibc of the VM, for which everything of it was compiled at the latest. */
export function runsOurPrograms(libc: Container["libc"], ofVm: string): boolean | undefined {
  if (libc.kind === "musl") return false;
  if (libc.kind === "none") return undefined;
  if (isOlder(libc.version, OLDEST_GLIBC)) return false;
  return isOlder(libc.version, ofVm) ? undefined : true;
}

function isOlder(one: string, other: string): boolean {
  const [major = 0, minor = 0] = one.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split(".").map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

/** For the person: why the IDE brings a C library of its own. */
export function libcSentence(libc: Container["libc"]): string {
  const what =
    libc.kind === "glibc" ? `glibc ${libc.version}` : libc.kind === "musl" ? "musl" : "no C library that is known here";
  return `The image has ${what}, with which the IDE does not run, so the IDE brings a C library of its own. Terminals and all that is started in them use the image's; a program that an extension brings along may not run.`;
}
