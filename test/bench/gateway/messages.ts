// How the bench's own processes speak with it.
export type Heard<T> = { said: T };
export type Question = { question: unknown };

/** Says something to the bench. */
export function say(said: unknown): void {
  process.send?.({ said });
}

/** What the bench wants to know about this process. */
export function aboutMe(): unknown {
  return JSON.parse(process.argv[2] ?? "{}");
}

/** Answers the bench's questions until it leaves; then `end` is run and this process ends. */
export function onQuestion(answer: (question: unknown) => unknown, end: () => Promise<void> = async () => {}): void {
  process.on("message", (message) => void Promise.resolve(answer((message as Question).question)).then(say));
  process.on("disconnect", () => void end().finally(() => process.exit(0)));
}

/** What is in use after a collection, in bytes. */
export function memoryInUse(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
