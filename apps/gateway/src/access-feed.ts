// Follows the control plane's stream of access documents, from where it stopped, for as long as the gateway lives.
import { GatewayStreamMessage, parse } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Access } from "./access.ts";
import { askControlPlane, type ControlPlane, expectSuccess } from "./control-plane.ts";

/** A stream that says nothing for so long is taken for dead; going on costs nothing. */
const SILENCE_MS = 90_000;

export type AccessFeed = { controlPlane: ControlPlane; access: Access; onChange: () => void; log: Logger };

/** Follows until disposed. */
export function followAccess(feed: AccessFeed): AsyncDisposable {
  const stop = new AbortController();
  const following = follow(feed, stop.signal).catch((err: unknown) => {
    if (!stop.signal.aborted) feed.log.error({ err }, "access documents are no longer followed");
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
    },
  };
}

async function follow(feed: AccessFeed, signal: AbortSignal): Promise<void> {
  const pause = backoff({ firstMs: 100, maxMs: 5_000, signal });
  for (let isTold = false; ; ) {
    try {
      await readStream(feed, signal, () => {
        pause.reset();
        isTold = false;
      });
    } catch (error) {
      signal.throwIfAborted();
      if (!isTold)
        feed.log.warn(
          { reason: (error as Error).message },
          "the control plane's stream is away, serving from what is kept",
        );
      isTold = true;
    }
    await pause.wait();
  }
}

async function readStream(feed: AccessFeed, signal: AbortSignal, onReady: () => void): Promise<void> {
  const { access } = feed;
  const answer = await askControlPlane(feed.controlPlane, {
    method: "GET",
    path: "api/gateway/v1/stream",
    headers: {
      accept: "text/event-stream",
      ...(access.lastEventId === "" ? {} : { "last-event-id": access.lastEventId }),
    },
    signal,
  });
  expectSuccess(answer);
  answer.setTimeout(SILENCE_MS, () => answer.destroy(new Error(`nothing was heard for ${SILENCE_MS / 1_000} s`)));
  const heard: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => heard.push(message) });
  const text = new TextDecoder();
  for await (const chunk of answer) {
    parser.feed(text.decode(chunk as Buffer, { stream: true }));
    for (const message of heard.splice(0)) {
      if (!(await take(feed, message, onReady))) return;
    }
  }
}

/** Applies one message; false asks to read the stream from its beginning. */
async function take(
  { access, onChange, log }: AccessFeed,
  { event, data, id }: EventSourceMessage,
  onReady: () => void,
): Promise<boolean> {
  try {
    const message = parse(GatewayStreamMessage, { event, data: JSON.parse(data) }, "stream message");
    if (message.event === "keys" && !(await access.takeKeys(message.data))) return false;
    if (message.event === "access") await access.takeDocument(message.data.jws);
    if (message.event === "revocation") await access.takeRevocation(message.data.jws);
    if (message.event === "ready") {
      access.isLoaded = true;
      onReady();
      log.info({ documents: access.size }, "access documents are current");
    }
  } catch (err) {
    log.error({ err, event }, "a message of the control plane's stream was refused");
  }
  if (id !== undefined && id !== "") access.lastEventId = id;
  onChange();
  return true;
}
