// The `Authorization` header (RFC 6750), as far as it is ours: a pass. Anybody else's goes to the Gitspace untouched.
import { looksLikePass } from "@gitspaces/contracts/passes";

/** The token of an `Authorization` value that is meant for us. Personal tokens are too, so that one sent here by mistake stays here. */
export function ownBearer(value: string): string | undefined {
  const [, text = ""] = /^\s*bearer\s+(\S+)\s*$/i.exec(value) ?? [];
  return looksLikePass(text) || text.startsWith("gsp_") ? text : undefined;
}
