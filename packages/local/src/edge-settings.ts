// What an administrator tells `bin/up` about the gateway's edge: the gateway's own variables, passed on as they are.

const EDGE = /^GITSPACES_(?:TLS_(?:CERTIFICATE|KEY)_FILE|TRUSTED_PROXIES|REDIRECT_LISTEN|HSTS_SECONDS|LIMIT_[A-Z_]+)$/;

/** The variables of the edge that are set. */
export function edgeSettings(env: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.entries(env).filter(([name, value]) => EDGE.test(name) && value !== undefined && value !== "");
  return Object.fromEntries(set) as Record<string, string>;
}

/** Whether the gateway has a certificate for browsers. */
export function speaksTls(edge: Readonly<Record<string, string>>): boolean {
  return edge["GITSPACES_TLS_CERTIFICATE_FILE"] !== undefined;
}
