// The end of every start: the workbench is on the page.
import { setTimeout as sleep } from "node:timers/promises";

const PAGE_DEADLINE_MS = 10_000;

/** The gateway hears a moment after everybody else that a Gitspace runs; until then it answers with a page that says so. */
export async function untilShown(
  visit: () => Promise<{ status: number; body: string }>,
  address: string,
): Promise<void> {
  const deadline = performance.now() + PAGE_DEADLINE_MS;
  for (;;) {
    const { status, body } = await visit();
    if (status === 200 && body.includes("workbench")) return;
    if (performance.now() > deadline) throw new Error(`${address} answered ${status}: ${body.slice(0, 300)}`);
    await sleep(2);
  }
}
