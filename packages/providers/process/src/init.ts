// The first program inside a VM: starts the agent, and starts it again when it dies, as a service manager would.

/** A life shorter than this counts against the agent; after so many in a row the VM ends and somebody looks at it from outside. */
const shortLifeS = 10;
const mostShortLives = 10;

/**
 * POSIX sh; its arguments are the agent's command. It ends with the agent when that ended with 0 or was told to. TERM is passed
 * on once, also to an agent that is just being started: a second one would tell it to leave at once. Pauses: 0, 1, 3, 7, 7... s.
 */
const script = `
ending= agent= told= pause=0 short=0
tell() { if [ -z "$told" ] && [ -n "$agent" ]; then told=1; kill -TERM "$agent"; fi; }
trap 'ending=1; tell' TERM
while :; do
  born=$(date +%s)
  "$@" &
  agent=$!
  [ -z "$ending" ] || tell
  wait "$agent"
  code=$?
  while kill -0 "$agent" 2>/dev/null; do wait "$agent"; code=$?; done
  agent=
  if [ -n "$ending" ] || [ "$code" -eq 0 ]; then exit "$code"; fi
  if [ $(($(date +%s) - born)) -ge ${shortLifeS} ]; then pause=0 short=0; fi
  short=$((short + 1))
  if [ "$short" -ge ${mostShortLives} ]; then echo "the agent ended with $code, $short times in a row"; exit "$code"; fi
  echo "the agent ended with $code; it starts again in $pause s"
  sleep "$pause" &
  nap=$!
  wait "$nap"
  if [ -n "$ending" ]; then kill "$nap" 2>/dev/null; exit 0; fi
  [ "$pause" -ge 7 ] || pause=$((pause * 2 + 1))
done`;

/** The command that keeps `command` running. */
export function keptRunning(command: readonly string[]): [string, ...string[]] {
  return ["/bin/sh", "-c", script.trim(), "gitspace-init", ...command];
}
