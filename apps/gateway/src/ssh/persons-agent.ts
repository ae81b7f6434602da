// The person's own SSH agent, as far as the workplace may ask it: over a channel back to their client.
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import ssh2, { type Connection } from "ssh2";

type Answer = (error?: Error | null, stream?: Duplex) => void;
/** ssh2 has the message for such a channel, and no call that sends it. */
type Inner = {
  _chanMgr: { add(answered: Answer & { type?: string }): number };
  _protocol: { openssh_authAgent(channel: number, window: number, packet: number): void };
};
const { MAX_WINDOW, PACKET_SIZE } = createRequire(import.meta.url)("ssh2/lib/Channel.js") as Record<string, number>;

/** Gives streams to the agent, and never signs anything itself. */
export class PersonsAgent extends ssh2.BaseAgent {
  readonly #person: Inner;

  constructor(person: Connection) {
    super();
    this.#person = person as unknown as Inner;
  }

  override getIdentities(answer: (error: Error | undefined, keys?: never[]) => void): void {
    answer(undefined, []);
  }

  override sign(_key: unknown, _data: Buffer, options: unknown, answer?: (error: Error) => void): void {
    const refuse = (answer ?? options) as (error: Error) => void;
    refuse(new Error("nothing is signed here"));
  }

  override getStream(answer: Answer): void {
    const { _chanMgr: channels, _protocol: protocol } = this.#person;
    const answered: Answer & { type?: string } = (error, stream) => answer(error, stream);
    answered.type = "auth-agent@openssh.com";
    const channel = channels.add(answered);
    if (channel === -1) return answer(new Error("there are too many channels"));
    protocol.openssh_authAgent(channel, MAX_WINDOW ?? 0, PACKET_SIZE ?? 0);
  }
}
