// An agent in a process of its own: mTLS, and an sshd behind each CONNECT.
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import { startAgent } from "../../../apps/gateway/src/testing/agent.ts";
import { startSshd } from "../../../apps/gateway/src/testing/sshd.ts";

process.once("message", (identity: TlsIdentity) => void open(identity));

async function open(identity: TlsIdentity): Promise<void> {
  const agent = await startAgent(identity);
  const sshd = startSshd();
  agent.onSsh = sshd.serve;
  process.once("disconnect", () => {
    sshd[Symbol.dispose]();
    process.exit(0);
  });
  process.send?.({ port: agent.port });
}
