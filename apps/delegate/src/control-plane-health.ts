// Whether the control plane can be reached, judged by every call made to it, and the alarm when somebody else answers in its place.
import type { Logger } from "@gitspaces/daemon";
import { Refusal } from "./control-plane.ts";

/** A heartbeat goes out every ten seconds; without an answer to it, the control plane is silent. */
const SILENT_MS = 14_000;

export type ControlPlaneHealth = {
  /** Notes the outcome of a call: nothing for success, or what was thrown. */
  note: (error?: unknown) => void;
  /** @throws with the reason when the control plane has been silent for 14 s, or at once when its certificate is not trusted. */
  check(): void;
};

export function watchControlPlane(log: Logger): ControlPlaneHealth {
  let heardAt = performance.now();
  let trouble: string | undefined;
  let isUntrusted = false;

  function trusted(now: boolean, reason = ""): void {
    if (now !== isUntrusted) return;
    isUntrusted = !now;
    const cure = "mend the server, or give the CA of its certificate as GITSPACES_CONTROL_PLANE_CA_FILE and restart";
    if (now) log.info("the control plane's certificate is trusted again");
    else
      log.error({ alarm: "control_plane_certificate", reason, cure }, "nothing is sent: a certificate is not trusted");
  }

  return {
    note(error) {
      if (isAnswer(error)) {
        heardAt = performance.now();
        trouble = undefined;
        trusted(true);
        return;
      }
      trouble = error instanceof Error ? error.message : String(error);
      if (isCertificateTrouble(error)) trusted(false, trouble);
    },
    check() {
      if (isUntrusted) throw new Error(`the control plane's certificate is not trusted: ${trouble ?? ""}`);
      const silentMs = performance.now() - heardAt;
      if (silentMs <= SILENT_MS) return;
      const why = trouble === undefined ? "" : `: ${trouble.slice(0, 300)}`;
      throw new Error(`the control plane has not answered for ${Math.round(silentMs / 1_000)} s${why}`);
    },
  };
}

/** A refusal is an answer too, unless it says that the control plane can not do its work now. */
function isAnswer(error: unknown): boolean {
  if (error === undefined) return true;
  return error instanceof Refusal && error.status < 500 && error.status !== 429;
}

/** By the codes of OpenSSL's verification and of Node's own check of the name. */
function isCertificateTrouble(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return (
    typeof code === "string" && /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|INVALID_CA)/.test(code)
  );
}
