// One request on its way through undici: what the upstream says is said to the client, and either one's end is both's.
import type { IncomingMessage, ServerResponse } from "node:http";
import { FailureError, fail } from "@gitspaces/contracts";
import type { Dispatcher } from "undici";
import { bodyMemory } from "./body-memory.ts";
import type { Ending } from "./ending.ts";
import type { HeaderPolicy } from "./header-policy.ts";
import type { Lane, LaneHandler } from "./undici-pool.ts";
import { brokeOff, sayHead, sayInterim, sayTrailers } from "./upstream-answer.ts";

/** `stale`: the pooled socket had died before it was used, and nothing of the request was lost. */
export type Outcome = "done" | "stale";
type Ends = { signal: Ending; ended: AbortSignal; isRepeatable: boolean };

export class Exchange implements LaneHandler {
  lane: Lane | undefined;
  /** Settles when both sides are done. @throws {FailureError} while nothing was answered yet. */
  readonly outcome: Promise<Outcome>;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #policy: HeaderPolicy;
  readonly #ends: Ends;
  readonly #onClose = (): void => this.#close();
  #settle!: (outcome: Outcome) => void;
  #fail!: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #isOver = false;
  #length: number | undefined;
  #hasBegun = false;

  constructor(request: IncomingMessage, response: ServerResponse, policy: HeaderPolicy, ends: Ends) {
    this.#request = request;
    this.#response = response;
    this.#policy = policy;
    this.#ends = ends;
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    response.once("close", this.#onClose);
    ends.signal.addEventListener("abort", this, { once: true });
    if (response.destroyed) this.#close();
    else if (ends.signal.aborted) this.handleEvent();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The connection has to end: access or the route is lost. */
  handleEvent(): void {
    if (this.#response.headersSent) this.#response.destroy();
    else this.#break(fail("vm_unreachable", "The Gitspace moved while it was asked."));
    this.#controller?.abort(new Error("ended"));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error("nobody waits for it any more"));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason = ""): void {
    if (this.#isOver) return;
    const rawHeaders = texts(controller.rawHeaders);
    if (status < 200) return sayInterim(this.#response, status, rawHeaders, this.#policy);
    this.#length = sayHead(this.#response, status, reason, rawHeaders, this.#policy).length;
    if (this.lane !== undefined) this.lane.answered++;
    // An event stream's head is due before its first event; most answers bring their first bytes along.
    if (this.#length === undefined) process.nextTick(flush, this, this.#response);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const response = this.#response;
    bodyMemory.moved(chunk.length);
    const isWhole = !this.#hasBegun && chunk.length === this.#length;
    this.#hasBegun = true;
    if (isWhole) response.end(chunk);
    else if (!response.write(chunk)) {
      controller.pause();
      response.once("drain", () => controller.resume());
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const response = this.#response;
    this.#controller = undefined;
    this.#hasBegun = true;
    if (response.writableEnded) return;
    const trailers = controller.rawTrailers;
    if (Array.isArray(trailers) && trailers.length > 0) sayTrailers(response, texts(trailers));
    response.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#controller = undefined;
    if (this.#isOver) return;
    if (this.#response.headersSent) return void this.#response.destroy();
    const { ended, isRepeatable } = this.#ends;
    // A failure of ours tells that the server did say something: that is no socket which had died before.
    const known = error instanceof FailureError;
    if (ended.aborted) return this.#break(fail("vm_unreachable", "The Gitspace moved while it was asked."));
    if (!known && isRepeatable && (this.lane?.answered ?? 0) > 0) {
      this.#leave();
      return this.#settle("stale");
    }
    this.#break(known ? error : brokeOff("The connection to the Gitspace broke before it answered.", error));
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  #break(error: Error): void {
    this.#leave();
    // What is left of a body is read away, so that the client hears its answer and may ask again.
    this.#request.resume();
    this.#fail(error);
  }

  #close(): void {
    if (this.#isOver) return;
    this.#leave();
    this.#controller?.abort(new Error("the client left"));
    this.#settle("done");
  }

  #leave(): void {
    this.#isOver = true;
    this.#response.off("close", this.#onClose);
    this.#ends.signal.removeEventListener("abort", this);
  }
}

function flush(exchange: Exchange, response: ServerResponse): void {
  if (!exchange.hasBegun && !response.destroyed) response.flushHeaders();
}

function texts(raw: Dispatcher.DispatchController["rawHeaders"]): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part) => (typeof part === "string" ? part : part.toString("latin1")));
}
