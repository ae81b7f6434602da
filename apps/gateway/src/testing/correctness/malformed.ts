// Rows about requests that are not what they should be, and heads that are long.
import { type Play, type Row, status } from "./row.ts";

/** A row that sends one head as it is, and looks at the status alone. */
function told(name: string, best: number | string, text: (play: Play) => string): Row {
  const play: Row["play"] = async (stage) => {
    const client = await stage.client();
    client.socket.write(text(stage), "latin1");
    return status(await client.hears("\r\n\r\n"));
  };
  return { name, best, play };
}

const swap = (text: string, from: string | RegExp, to: string): string => text.replace(from, to);

/** What the rows about malformed requests have in common: an admitted head in which one thing is wrong. */
export const malformed: Row[] = [
  told(
    "TE and CL",
    400,
    ({ head }) => `${head("POST", "/", "Content-Length: 3", "Transfer-Encoding: chunked")}0\r\n\r\n`,
  ),
  told("two different CL", 400, ({ head }) => `${head("POST", "/", "Content-Length: 3", "Content-Length: 4")}abcd`),
  told("TE: xchunked", 400, ({ head }) => `${head("POST", "/", "Transfer-Encoding: xchunked")}0\r\n\r\n`),
  told("duplicate Host", 400, ({ head, host }) => head("GET", "/", `Host: ${host}`)),
  told("absolute-form URL", 400, ({ head }) => head("GET", "http://evil.example/ok")),
  told("malformed: no colon", 400, ({ head }) => head("GET", "/", "nocolon")),
  told("malformed: space before colon", 400, ({ head }) => head("GET", "/", "X-A : 1")),
  told("malformed: bare LF lines", 400, ({ head }) => swap(head("GET", "/"), /\r\n/g, "\n") + "\r\n\r\n"),
  told("malformed: NUL in URL", 400, ({ head }) => head("GET", "/a\0b")),
  told("request header 12 KB", 200, ({ head }) => head("GET", "/", `X-Long: ${"x".repeat(12 * 1_024)}`)),
  told("request header 40 KB", 200, ({ head }) => head("GET", "/", `X-Long: ${"x".repeat(40 * 1_024)}`)),
];
