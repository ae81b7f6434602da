// Server-sent events that outlive their connection: after a break it goes on behind the last id it has seen.
import { setTimeout as delay } from "node:timers/promises";
import { FailureError } from "@gitspaces/contracts";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { type Server, send } from "./http.ts";

/** `opened` comes with each connection, before its messages: state that carries no id is to be read anew. */
export type StreamItem = { opened: true } | { opened: false; event: string; id: string | undefined; data: string };

export type Listening = {
  lastEventId?: string;
  signal: AbortSignal;
  /** Told once per break, however many tries it takes to mend. */
  onBroken?: (reason: Error) => void;
  /** A connection this long without a byte is taken for dead. */
  silenceMs?: number;
  /** The first wait before another try; it doubles up to twenty times as much. */
  firstWaitMs?: number;
};

/**
 * Gives the messages of an event stream until the signal aborts, which ends it without an error.
 * @throws {FailureError} when the server refuses (any failure that is not worth another try).
 */
export async function* listen(server: Server, path: string, listening: Listening): AsyncGenerator<StreamItem, void> {
  const { signal, onBroken, silenceMs = 60_000, firstWaitMs = 250 } = listening;
  let lastEventId = listening.lastEventId;
  let waitMs = firstWaitMs;
  let isBroken = false;
  const broken = (reason: Error): void => {
    if (!isBroken) onBroken?.(reason);
    isBroken = true;
  };
  while (!signal.aborted) {
    try {
      const headers = {
        accept: "text/event-stream",
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      };
      const response = await send(server, path, { headers, signal });
      response.socket.setTimeout(silenceMs, () => response.destroy(new Error("nothing was heard for too long")));
      isBroken = false;
      yield { opened: true };
      const heard: EventSourceMessage[] = [];
      const parser = createParser({ onEvent: (message) => void heard.push(message) });
      const decoder = new TextDecoder();
      for await (const chunk of response) {
        waitMs = firstWaitMs;
        parser.feed(decoder.decode(chunk as Buffer, { stream: true }));
        for (const { event = "message", id, data } of heard.splice(0)) {
          lastEventId = id ?? lastEventId;
          yield { opened: false, event, id, data };
        }
      }
      if (!signal.aborted) broken(new Error("the connection ended"));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof FailureError && error.failure.retry === "never") throw error;
      broken(error as Error);
    }
    await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(waitMs * 2, firstWaitMs * 20);
  }
}
