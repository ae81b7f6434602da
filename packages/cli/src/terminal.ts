// Where the command writes: results to stdout, everything on the way to stderr, colours only for eyes.
import { stripVTControlCharacters, styleText } from "node:util";

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

export type Terminal = {
  /** Set once the arguments are read: stdout then carries JSON only. */
  json: boolean;
  /** Whether a person sits at stdout, so that a browser may be opened for them. */
  readonly interactive: boolean;
  readonly stdin: NodeJS.ReadStream;
  /** Writes text to stdout, ending with a line break. */
  out(text: string): void;
  /** Writes text to stderr, ending with a line break. */
  err(text: string): void;
  /** Colours text for stdout or stderr, if that is a terminal. */
  paint(colour: Colour, text: string, to?: "out" | "err"): string;
};

type Streams = Pick<NodeJS.Process, "stdin" | "stdout" | "stderr" | "env">;

/** A terminal on these streams. A reader of stdout that goes away (`| head`) ends the process quietly. */
export function openTerminal({ stdin, stdout, stderr, env }: Streams): Terminal {
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }
  const plainly = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return {
    json: false,
    interactive: stdout.isTTY && stdin.isTTY,
    stdin,
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    paint(colour, text, to = "out") {
      const stream = to === "out" ? stdout : stderr;
      return plainly || !stream.isTTY ? text : styleText(colour, text, { validateStream: false });
    },
  };
}

/** Text from elsewhere made safe to show: no escape sequences and no control characters, on one line. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return stripVTControlCharacters(text)
    .replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]+/g, " ")
    .trimEnd();
}
