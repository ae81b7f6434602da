// Failures on the wire: problem+json, on a response or on the bare socket of a CONNECT.
import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type Failure, toProblem } from "@gitspaces/contracts";

/** Answers a request with a failure; a response that has begun is cut instead. */
export function answerProblem(response: ServerResponse, failure: Failure): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const problem = toProblem(failure);
  const body = JSON.stringify(problem);
  response
    .writeHead(problem.status, {
      "content-type": "application/problem+json",
      "content-length": Buffer.byteLength(body),
    })
    .end(body);
}

/** Refuses a CONNECT and closes its socket. */
export function refuseConnect(socket: Duplex, failure: Failure): void {
  const problem = toProblem(failure);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
