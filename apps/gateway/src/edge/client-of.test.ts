// Addresses that limits count as one client.
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { clientOf } from "./client-of.ts";
import { limitsConfig } from "./config.ts";
import { Visitors } from "./visitors.ts";
import { z } from "zod";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.2", "192.0.2.2"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:db8:1:3::9", "2001:db8:1:3::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["", ""],
])("%s is counted as %s", (address, client) => {
  expect(clientOf(address)).toBe(client);
});

test("T14: who has a whole IPv6 network has the places of one client; their neighbour has others", async () => {
  const visitors = new Visitors(z.object(limitsConfig).parse({ limitVisitsPerAddress: 1 }));
  const enter = async (clientAddress: string): Promise<Disposable> =>
    await visitors.enter({
      request: { socket: new Socket() },
      isUpgrade: false,
      clientAddress,
      user: undefined,
      gitspaceId: undefined,
    });
  using stays = new DisposableStack();
  stays.use(await enter("2001:db8:1:2::1"));
  await expect(enter("2001:db8:1:2:ffff::7")).rejects.toThrow("LIMIT_VISITS_PER_ADDRESS");
  stays.use(await enter("2001:db8:1:3::1"));
});
