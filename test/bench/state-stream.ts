// The state of a Gitspace as the control plane tells it, the moment it changes.
import type { Gitspace } from "@gitspaces/contracts";
import type { System } from "../e2e/system.ts";

/** Follows a Gitspace from now on; `until` resolves when it reaches a state and throws when it ends in `error`. */
export async function followState(
  { ready, adminToken }: System,
  id: string,
): Promise<{ until(state: Gitspace["state"]): Promise<Gitspace> } & Disposable> {
  const over = new AbortController();
  const url = new URL(`/api/v1/gitspaces/${id}/events/stream`, ready.ui);
  const response = await fetch(url, { headers: { authorization: `Bearer ${adminToken}` }, signal: over.signal });
  if (!response.ok || response.body === null) throw new Error(`the events of ${id} answered ${response.status}`);
  // Piped at once: a body that nobody has begun to read is cancelled when its response is collected.
  const states = readStates(response.body.pipeThrough(new TextDecoderStream()));
  return {
    async until(state) {
      for (;;) {
        const { done, value } = await states.next();
        if (done) throw new Error(`the events of ${id} ended`);
        if (value.state === state) return value;
        if (value.state === "error") throw new Error(`${id} failed: ${value.instance?.error_message}`);
      }
    },
    [Symbol.dispose]: () => over.abort(),
  };
}

async function* readStates(body: ReadableStream<string>): AsyncGenerator<Gitspace, undefined> {
  let text = "";
  for await (const chunk of body) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const message = text.slice(0, end);
      text = text.slice(end + 2);
      const data = /^data: ?(.*)$/m.exec(message)?.[1];
      if (/^event: ?state$/m.test(message) && data !== undefined) yield JSON.parse(data) as Gitspace;
    }
  }
  return undefined;
}
