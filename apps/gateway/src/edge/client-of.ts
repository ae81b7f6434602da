// Whom an address stands for where limits are counted by it.
import { isIP } from "node:net";

/** One IPv4 address, or a whole /64 of IPv6: that much is given to every household, so one client has all of its addresses. */
export function clientOf(address: string): string {
  const plain = address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  if (isIP(plain) !== 6) return plain;
  const [front = [], back = []] = plain.split("::").map((part) => part.split(":").filter((group) => group !== ""));
  const length = back.length + (back.at(-1)?.includes(".") === true ? 1 : 0);
  const groups = [...front, ...Array.from({ length: 8 - front.length - length }, () => "0"), ...back];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}
