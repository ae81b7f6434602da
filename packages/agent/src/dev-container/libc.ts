// Whether the programs of this VM run in an image, judged by its C library. Pure.
import type { Container } from "./container.ts";

/** What Node and the IDE's terminals were linked against. */
const OLDEST_GLIBC = [2, 28] as const;

/** Nothing when only trying can tell. */
export function runsOurPrograms(libc: Container["libc"]): boolean | undefined {
  if (libc.kind === "musl") return false;
  if (libc.kind === "none") return undefined;
  const [major = 0, minor = 0] = libc.version.split(".").map(Number);
  return major > OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor >= OLDEST_GLIBC[1]);
}

/** For the person: why the IDE brings a C library of its own. */
export function libcSentence(libc: Container["libc"]): string {
  const what =
    libc.kind === "glibc" ? `glibc ${libc.version}` : libc.kind === "musl" ? "musl" : "no C library that is known here";
  return `The image has ${what}, with which the IDE does not run, so the IDE brings a C library of its own. Terminals and all that is started in them use the image's; a program that an extension brings along may not run.`;
}
