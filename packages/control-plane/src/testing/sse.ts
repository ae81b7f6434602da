// Reads a stream of server-sent events as they come.
export type Message = { event: string; data: unknown; id: string | undefined };

/** Opens a stream; `next` waits for the next message, at most five seconds. */
export async function follow(url: string, headers: Record<string, string>) {
  const over = new AbortController();
  const response = await fetch(url, { headers, signal: over.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  async function next(): Promise<Message> {
    for (;;) {
      const end = buffer.indexOf("\n\n");
      if (end >= 0) {
        const block = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        const message = read(block);
        if (message !== undefined) return message;
        continue;
      }
      const timer = setTimeout(() => over.abort(new Error("nothing came on the stream")), 5_000);
      const chunk = await reader?.read().finally(() => clearTimeout(timer));
      if (chunk === undefined || chunk.done) throw new Error("the stream has ended");
      buffer += chunk.value;
    }
  }
  return {
    response,
    next,
    /** The next messages up to and with the first of this event. */
    async until(event: string): Promise<Message[]> {
      const messages = [await next()];
      while (messages.at(-1)?.event !== event) messages.push(await next());
      return messages;
    },
    [Symbol.dispose]: () => over.abort(),
  };
}

function read(block: string): Message | undefined {
  const field = (name: string) =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const data = field("data");
  return data === undefined
    ? undefined
    : { event: field("event") ?? "message", data: JSON.parse(data), id: field("id") };
}
