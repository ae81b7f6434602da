// What an administrator tells `bin/up` about the gateway: its own variables, passed on as they are; and how far owners may open ports,
// which the control plane is told.

const EDGE = new RegExp(
  `^GITSPACES_(?:TLS_(?:CERTIFICATE|KEY)_FILE|TRUSTED_PROXIES|REDIRECT_LISTEN|HSTS_SECONDS|LIMIT_[A-Z_]+|FORWARDER|` +
    `HOLD_[A-Z_]+|HANDOVER_[A-Z_]+|OLD_PROCESSES|UNREADY_MS|STOP_GRACE_MS|SSH_PUBLIC_PORT)$`,
);
const CAP = "GITSPACES_MOST_VISIBLE";

/** The variables of the edge that are set. */
export function edgeSettings(env: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.entries(env).filter(([name, value]) => EDGE.test(name) && value !== undefined && value !== "");
  return Object.fromEntries(set) as Record<string, string>;
}

/** The administrator's cap, for the control plane. */
export function sharingSettings(env: NodeJS.ProcessEnv): Record<string, string> {
  const most = env[CAP];
  return most === undefined || most === "" ? {} : { [CAP]: most };
}

/** Whether the gateway has a certificate for browsers. */
export function speaksTls(edge: Readonly<Record<string, string>>): boolean {
  return edge["GITSPACES_TLS_CERTIFICATE_FILE"] !== undefined;
}
