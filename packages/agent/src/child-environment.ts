// What processes of the person may see of the agent's environment: an allow-list, so that nothing of ours leaks into a terminal.
import { userInfo } from "node:os";

const passedOn = [
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "GIT_SSL_CAINFO",
  "CURL_CA_BUNDLE",
] as const;

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Every process of the VM carries this, so that one that left the process tree is still known as the VM's own. */
export const VM_MARKER = "GITSPACE_VM";

export type ChildEnvironment = Record<string, string>;

/** The environment of everything that runs for the person. */
export function childEnvironment(env: NodeJS.ProcessEnv, home: string, instanceId: string): ChildEnvironment {
  const kept = passedOn.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  const user = env["USER"] ?? userInfo().username;
  return {
    LANG: "C.UTF-8",
    ...Object.fromEntries(kept),
    PATH: `${home}/.local/bin:${env["PATH"] ?? DEFAULT_PATH}`,
    HOME: home,
    SHELL: "/bin/bash",
    USER: user,
    LOGNAME: user,
    [VM_MARKER]: instanceId,
  };
}
