// The whole gateway with a session and an access document: every request is judged. Its VM is a plain socket, or an agent.
import { once } from "node:events";
import { connect } from "node:net";
import { IDE_PORT } from "@gitspaces/contracts";
import type { Upstream } from "../../../apps/gateway/src/forwarder.ts";
import { ADA, DOMAIN, openStreet, until } from "../../../apps/gateway/src/testing/street.ts";
import type { Upstreams } from "../../../apps/gateway/src/upstreams.ts";
import { aboutMe, memoryInUse, onQuestion, say } from "./messages.ts";

const { backend } = aboutMe() as { backend: number };
const MANY = 1_000_000;
// The limits are there and are counted by; it is only that one person is all the load.
const street = await openStreet({
  limitConnectionsPerAddress: MANY,
  limitVisitsPerAddress: MANY,
  limitVisitsPerUser: MANY,
  limitVisitsPerGitspace: MANY,
  limitUpgradesPendingPerGitspace: MANY,
  limitRequestsPerSecondPerAddress: MANY,
  limitRequestsPerSecondPerUser: MANY,
  limitRequestsPerSecondPerGitspace: MANY,
});
const { house, address } = street.gateway;
const tunnel = house.upstreams;
const plain: Upstream = {
  ended: new AbortController().signal,
  async dial(signal) {
    const socket = connect({ port: backend, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    await once(socket, "connect", { signal });
    return socket;
  },
};
house.upstreams = { at: () => plain } as unknown as Upstreams;
await street.controlPlane.publish({ gitspaceId: ADA });
await street.setRoute();
await until(
  () => house.routes.find(ADA) !== undefined && house.access.find(ADA) !== undefined,
  "the Gitspace is known",
);
say({
  port: address.port,
  host: `${ADA}.${DOMAIN}`,
  cookie: await street.cookie("ada"),
  identity: street.agentIdentity,
  idePort: IDE_PORT,
});

async function answer(question: unknown): Promise<unknown> {
  if (question === "memory") return memoryInUse();
  // The port of an agent: from now on everything goes through the tunnel.
  const { agentPort } = question as { agentPort: number };
  house.upstreams = tunnel;
  const before = house.routes.find(ADA);
  await street.setRoute({ port: agentPort });
  await until(() => house.routes.find(ADA) !== before, "the route leads to the agent");
  return true;
}

onQuestion(answer, async () => street[Symbol.asyncDispose]());
