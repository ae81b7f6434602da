// The agent at the far end of the tunnel, in a process of its own so that its work is not counted as the gateway's.
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import { startAgent } from "../../../apps/gateway/src/testing/agent.ts";
import { aboutMe, onQuestion, say } from "./messages.ts";

const { identity, port, backend } = aboutMe() as { identity: TlsIdentity; port: number; backend: number };
const agent = await startAgent(identity);
agent.ports.set(port, backend);
say(agent.port);
onQuestion(() => agent.open.size);
