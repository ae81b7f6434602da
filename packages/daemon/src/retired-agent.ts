// A certificate was renewed: the pool of connections that showed the last one is used no more, but what goes on in it may end by itself.
import type { Agent } from "node:http";

/** Closes the idle sockets of an agent now and the others when their requests are over. It should be given no new request. */
export function retireAgent(agent: Agent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}
