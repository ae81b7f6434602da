// Shows a Gitspace's output, and goes on with `--follow`.
import { LogLine } from "@gitspaces/contracts";
import { z } from "zod";
import type { CliContext } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

const StreamedLine = LogLine.partial({ task_id: true });

/** Prints the log so far and, with `follow`, what is added until Ctrl-C. */
export async function logs(context: CliContext, reference: string, options: { follow?: boolean }): Promise<void> {
  const { terminal, signal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  let told = 0;
  const tell = (line: z.infer<typeof StreamedLine>): void => {
    if (line.pos <= told) return;
    told = line.pos;
    terminal.out(terminal.json ? JSON.stringify(line) : plain(line.out));
  };
  if (options.follow !== true) {
    const lines = await api.logs(id);
    if (terminal.json) return terminal.out(JSON.stringify(lines));
    return lines.forEach(tell);
  }
  const onBroken = (reason: Error): void => terminal.err(`connection lost (${plain(reason.message)}), trying again`);
  for await (const item of api.logStream(id, { signal, onBroken })) {
    // The stream may begin at its present end, so each connection reads what went before.
    if (item.opened) (await api.logs(id, told)).forEach(tell);
    else if (item.event === "log_line_appended") tell(StreamedLine.parse(JSON.parse(item.data)));
  }
}
