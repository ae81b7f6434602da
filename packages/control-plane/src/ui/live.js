// Event streams that stay: opened again after every break, closed while nobody looks, because a browser has six connections to a host.

/**
 * Listens to the stream at `path()` until the signal aborts. `onOpen` is called with each connection: whatever carries no id is to be read anew.
 * `onBroken` is told when a connection is lost.
 */
export function listen(path, { signal, onOpen, onBroken, handlers }) {
  let source;
  let timer;
  let waitMs = 500;

  function open() {
    if (source !== undefined || document.hidden || signal.aborted) return;
    source = new EventSource(path());
    source.addEventListener("open", () => {
      waitMs = 500;
      onOpen();
    });
    // The browser's own reconnecting gives up on an answer that is no stream, so each break is ours to mend.
    source.addEventListener("error", () => {
      close();
      onBroken();
      timer = setTimeout(open, waitMs * (0.75 + Math.random() / 2));
      waitMs = Math.min(waitMs * 2, 10_000);
    });
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (message) => handle(JSON.parse(message.data)));
    }
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()), { signal });
  signal.addEventListener("abort", close);
  open();
}
