// Requests to the control plane, always outwards, with the gateway's token.
import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as tlsRequest } from "node:https";
import { fail } from "@gitspaces/contracts";
import { lookupLocalhost } from "@gitspaces/daemon";

export type ControlPlane = {
  url: string;
  token: string;
  /** Hears when the control plane says that it answered. */
  onDate?: (date: string | undefined) => void;
};
type Asked = {
  method: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  body?: string;
  signal: AbortSignal;
};

/** The answer's head; its body is still to be read. @throws the network's own errors. */
export function askControlPlane(
  { url, token, onDate = () => undefined }: ControlPlane,
  { method, path, headers, body, signal }: Asked,
): Promise<IncomingMessage> {
  const target = new URL(path, `${url}/`);
  const request = target.protocol === "https:" ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const asked = request(target, {
      method,
      signal,
      lookup: lookupLocalhost,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        ...headers,
      },
    });
    asked.once("response", (answer) => {
      onDate(answer.headers.date);
      resolve(answer);
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

/** @throws {FailureError} `denied` for a refused token, `internal` for any other answer that is not a success. */
export function expectSuccess(answer: IncomingMessage): void {
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  answer.destroy();
  if (status === 401 || status === 403)
    throw fail("denied", "The control plane refused the gateway's token.", { retry: "later" });
  throw fail("internal", `The control plane answered ${status}.`);
}
