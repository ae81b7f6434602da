// A Dockerfile as far as something must be known of it before it is built. Pure.

/** The images it starts from, without its own stages; a name with a variable in it stays as it is written. */
export function baseImages(text: string): string[] {
  const stages = new Set<string>();
  return linesOf(text).flatMap((line) => {
    const [, image, stage] = /^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line) ?? [];
    const isOwn = image === undefined || stages.has(image.toLowerCase()) || image === "scratch";
    if (stage !== undefined) stages.add(stage.toLowerCase());
    return isOwn ? [] : [image];
  });
}

/** The user of the last stage, when it says one plainly. */
export function lastUser(text: string): string | undefined {
  let user: string | undefined;
  for (const line of linesOf(text)) {
    if (/^FROM\s/i.test(line)) user = undefined;
    user = /^USER\s+([^\s$]+)$/i.exec(line)?.[1] ?? user;
  }
  return user;
}

/** Whether files of the repository come into the image, as far as the text tells. */
export function copiesFiles(text: string): boolean {
  return linesOf(text).some((line) => /^(?:ADD\s|COPY\s(?!.*--from=)|RUN\s.*--mount=)/i.test(line));
}

function linesOf(text: string): string[] {
  return text
    .replaceAll(/\\\r?\n/g, " ")
    .split(/\r?\n/)
    .map((line) => line.trim());
}
