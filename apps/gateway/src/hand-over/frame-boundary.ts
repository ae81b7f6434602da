// Where the frames of a WebSocket end (RFC 6455, 5.2), from the bytes that pass: a frame of our own may only stand between two.

/** Follows one direction. Reads heads and steps over payloads, so it costs the same for small and large frames. */
export class FrameBoundary {
  /** Payload of the present frame that is still to come. */
  #left = 0;
  /** Bytes of the present head that were seen, and how many it has. */
  #seen = 0;
  #size = 2;
  #extendedEnd = 2;
  #length = 0;

  get isHere(): boolean {
    return this.#left === 0 && this.#seen === 0;
  }

  feed(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) at = this.#advance(chunk, at);
  }

  /** Follows up to the end of the present frame only; gives how many bytes of the chunk belong to it. */
  finish(chunk: Uint8Array): number {
    let at = 0;
    while (!this.isHere && at < chunk.length) at = this.#advance(chunk, at);
    return at;
  }

  /** To the end of a payload, or by one byte of a head. */
  #advance(chunk: Uint8Array, at: number): number {
    if (this.#left > 0) {
      const step = Math.min(this.#left, chunk.length - at);
      this.#left -= step;
      return at + step;
    }
    const byte = chunk[at] ?? 0;
    if (this.#seen === 1) {
      const short = byte & 0x7f;
      const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
      this.#length = extended === 0 ? short : 0;
      this.#size = 2 + extended + (byte & 0x80 ? 4 : 0);
      this.#extendedEnd = 2 + extended;
    } else if (this.#seen > 1 && this.#seen < this.#extendedEnd) {
      this.#length = this.#length * 256 + byte;
    }
    this.#seen++;
    if (this.#seen >= 2 && this.#seen === this.#size) {
      this.#left = this.#length;
      this.#seen = 0;
      this.#size = 2;
    }
    return at + 1;
  }
}
