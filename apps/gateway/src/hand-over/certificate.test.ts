import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import { expect, test } from "vitest";
import { makeAuthority } from "../testing/certificates.ts";
import { followCertificate } from "./certificate.ts";

test("a process that does not renew takes over the certificate that another one wrote, with the key that is its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "follow-"));
  const authority = makeAuthority("test");
  const [present, next] = [authority.issue("gateway", "gateway"), authority.issue("gateway", "gateway")];
  const certificateFile = join(folder, "certificate.json");
  const write = ({ key: _key, ...answer }: TlsIdentity): void => writeFileSync(certificateFile, JSON.stringify(answer));
  write(present);
  const renewed: TlsIdentity[] = [];
  const onRenewed = (identity: TlsIdentity): void => void renewed.push(identity);
  const log = createLog("test", "silent");
  const following = followCertificate({ certificateFile, identity: present, onRenewed, log, lookMs: 20 });
  writeFileSync(certificateFile, "{ half");
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(renewed).toEqual([]);
  write(next);
  await expect
    .poll(() => renewed.map(({ key, certificate }) => [key, certificate]))
    .toEqual([[present.key, next.certificate]]);
  following[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});
