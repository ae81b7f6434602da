// `*.localhost` is loopback for our own clients (RFC 6761 section 6.3): browsers and curl know that, Node's resolver does not.
import dns, { type LookupAddress, type LookupOptions } from "node:dns";

type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** A `lookup` for sockets and requests: loopback for `localhost` and names under it, the system's resolver for the rest. */
export function lookupLocalhost(hostname: string, options: LookupOptions, callback: Callback): void {
  if (!/(?:^|\.)localhost\.?$/i.test(hostname)) {
    dns.lookup(hostname, options, callback);
    return;
  }
  if (options.all === true) callback(null, [{ address: "127.0.0.1", family: 4 }]);
  else callback(null, "127.0.0.1", 4);
}
