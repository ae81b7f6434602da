// Follows the control plane's stream of access documents, from where it stopped, for as long as the gateway lives.
import { GatewayStreamMessage, parse } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Access } from "./access.ts";
import { askControlPlane, type ControlPlane, expectSuccess } from "./control-plane.ts";

/** The control plane says something every 5 s. A stream that is silent for so long is taken for dead; going on costs nothing. */
const SILENCE_MS = 20_000;
/** From here on it is told. */
const AWAY_MS = 12_000;

export type AccessFeed = {
  controlPlane: ControlPlane;
  access: Access;
  onChange: () => void;
  log: Logger;
};
type Hearing = { readonly heard: () => void; readonly current: () => void };

type Following = AsyncDisposable & {
  /** Throws while there is nothing to decide by, or changes are not heard of. */
  readonly check: () => void;
  /** Resolves when everything that the control plane has to say was heard once. */
  readonly current: Promise<void>;
};

/** Follows until disposed. */
export function followAccess(feed: AccessFeed): Following {
  const stop = new AbortController();
  let heardAt = performance.now();
  const current = Promise.withResolvers<void>();
  const hearing: Hearing = { heard: () => void (heardAt = performance.now()), current: current.resolve };
  const following = follow(feed, hearing, stop.signal).catch((err: unknown) => {
    if (!stop.signal.aborted) feed.log.error({ err }, "access documents are no longer followed");
  });
  return {
    current: current.promise,
    check() {
      if (!feed.access.isLoaded) throw new Error("no access documents yet: the control plane was never reached");
      const awayMs = performance.now() - heardAt;
      if (awayMs < AWAY_MS) return;
      const seconds = Math.round(awayMs / 1_000);
      throw new Error(`nothing was heard from the control plane for ${seconds} s; the documents at hand still serve`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
    },
  };
}

async function follow(feed: AccessFeed, hearing: Hearing, signal: AbortSignal): Promise<void> {
  const pause = backoff({ firstMs: 100, maxMs: 5_000, signal });
  for (let isTold = false; ; ) {
    try {
      await readStream(feed, hearing, signal, () => {
        pause.reset();
        hearing.current();
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

async function readStream(
  feed: AccessFeed,
  { heard: onHeard }: Hearing,
  signal: AbortSignal,
  onReady: () => void,
): Promise<void> {
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
    onHeard();
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
