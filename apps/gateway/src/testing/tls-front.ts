// A street whose gateway speaks TLS to browsers, with certificates of a test's own authority.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { makeWebAuthority, type WebAuthority, type WebCertificate } from "@gitspaces/daemon/testing/web-authority";
import { ADA, DOMAIN, openStreet, type Street } from "./street.ts";
import { type RawAnswer, readAnswer } from "./raw-http.ts";

export type TlsStreet = {
  street: Street;
  authority: WebAuthority;
  certificateFile: string;
  keyFile: string;
  /** Puts a pair where the gateway reads it. */
  write(pair: WebCertificate): void;
  /** A connection to the gateway that believes the authority; Ada's host is greeted unless `options` says otherwise. */
  connect(options?: ConnectionOptions): Promise<TLSSocket>;
  /** One request over a connection of its own. `HOST` in it is Ada's host. */
  ask(text: string, options?: ConnectionOptions): Promise<RawAnswer>;
} & AsyncDisposable;

/** Opens it at a public URL that is https. */
export async function openTlsStreet(settings: Record<string, unknown> = {}): Promise<TlsStreet> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const authority = await makeWebAuthority();
  const [certificateFile, keyFile] = [join(folder, "certificate.pem"), join(folder, "key.pem")];
  const write = ({ certificate, key }: WebCertificate): void => {
    writeFileSync(certificateFile, certificate);
    writeFileSync(keyFile, key);
  };
  write(await authority.issue([`*.${DOMAIN}`]));
  const street = opened.use(
    await openStreet({
      publicUrl: `https://${DOMAIN}`,
      tlsCertificateFile: certificateFile,
      tlsKeyFile: keyFile,
      ...settings,
    }),
  );
  const open = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const { port } = street.gateway.address;
    const ca = authority.certificate;
    const socket = connect({ port, host: "127.0.0.1", servername: `${ADA}.${DOMAIN}`, ca, ...options });
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(5_000) });
    return socket;
  };
  const closing = opened.move();
  return {
    street,
    authority,
    certificateFile,
    keyFile,
    write,
    connect: open,
    async ask(text, options) {
      const socket = await open(options);
      socket.write(text.replace("HOST", `${ADA}.${DOMAIN}`));
      const answer = await readAnswer(socket);
      socket.destroy();
      return answer;
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
