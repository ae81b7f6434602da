// Ctrl-C ends what is waited for and lets the command say where things stand; a second one ends the process.

/** A signal that aborts at the first SIGINT or SIGTERM. The second meets the default action of the system. */
export function stopSignal(from: NodeJS.Process): AbortSignal {
  const stop = new AbortController();
  const names = ["SIGINT", "SIGTERM"] as const;
  function abort(): void {
    for (const name of names) from.off(name, abort);
    stop.abort();
  }
  for (const name of names) from.on(name, abort);
  return stop.signal;
}
