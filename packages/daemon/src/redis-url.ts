// Where Redis is, in one setting: a server, a socket of this machine, or the sentinels that know the present master. Only plain
// options: whoever connects brings the client.
import { fail } from "@gitspaces/contracts";

type Host = { host: string; port: number };
type Who = { username?: string; password?: string };
type Tls = { tls?: Record<string, never>; enableTLSForSentinelMode?: boolean };
/** What an ioredis connection is made with. */
export type RedisPlace = Who & Tls & (Host | { path: string } | { sentinels: Host[]; name: string });

const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;
const shape = /^(redis|rediss|redis\+unix|redis\+sentinel|rediss\+sentinel):\/\/(?:([^@/]*)@)?([^/]*)(?:\/(.*))?$/;

/** The message for a setting that is none. */
export const REDIS_URL_FORMS =
  "should be redis://user@host:6379, rediss://user@host:6379, redis+unix://user@/path or redis+sentinel://user@host1:26379,host2:26379/master";

/** Whether a text has the shape of one of our Redis URLs; `parseRedisUrl` says what is wrong with one that has it. */
export function isRedisUrl(text: string): boolean {
  return shape.test(text);
}

/**
 * Reads the setting. @throws {FailureError} `bad_request` for one that cannot be read, `denied` for a Redis beyond this machine
 * that would be spoken to without a password.
 */
export function parseRedisUrl(url: string, password: string | undefined): RedisPlace {
  const [, scheme = "", user = "", hosts = "", path = ""] = shape.exec(url) ?? [];
  if (scheme === "") throw refused(REDIS_URL_FORMS);
  if (user.includes(":"))
    throw refused("should have no password in it; put that in a file for GITSPACES_REDIS_PASSWORD_FILE");
  const who: Who = {
    ...(user === "" ? {} : { username: decodeURIComponent(user) }),
    ...(password === undefined ? {} : { password }),
  };
  const place = placeOf(scheme, hosts, path);
  if (password === undefined && !isHere(place)) {
    const message = "Redis beyond this machine needs a password. Name its file in GITSPACES_REDIS_PASSWORD_FILE.";
    throw fail("denied", message, { field: "redisPasswordFile" });
  }
  return { ...place, ...who };
}

function placeOf(scheme: string, hosts: string, path: string): RedisPlace {
  if (scheme === "redis+unix") {
    if (hosts !== "" || path === "")
      throw refused("should have the path of the socket, such as redis+unix:///run/redis.sock");
    return { path: `/${path}` };
  }
  const tls = scheme.startsWith("rediss") ? { tls: {} } : {};
  if (!scheme.endsWith("+sentinel")) return { ...hostOf(hosts, REDIS_PORT), ...tls };
  if (hosts === "") throw refused("should list at least one sentinel, such as redis+sentinel://host:26379/master");
  if (path === "") throw refused("should end with the name of the master, such as redis+sentinel://host:26379/master");
  const sentinels = hosts.split(",").map((each) => hostOf(each, SENTINEL_PORT));
  // Without ioredis's failover detector: its news in the middle of a reconnect would end the connection for good. A master that
  // hangs is left by the limits on silence that every connection has.
  return {
    sentinels,
    name: path,
    ...tls,
    ...("tls" in tls ? { enableTLSForSentinelMode: true } : {}),
  };
}

function hostOf(text: string, usual: number): Host {
  const [, host, bare, port] = /^(?:\[([0-9a-f:]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const name = host ?? bare;
  if (name === undefined) throw refused(`should have a host and a port, which "${text}" is not`);
  return { host: name, port: Number(port ?? usual) };
}

function isHere(place: RedisPlace): boolean {
  if ("path" in place) return true;
  const hosts = "sentinels" in place ? place.sentinels : [place];
  return hosts.every(({ host }) => host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host));
}

function refused(what: string): Error {
  return fail("bad_request", `GITSPACES_REDIS_URL ${what}.`, { field: "redisUrl" });
}
