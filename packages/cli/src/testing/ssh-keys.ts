// The SSH keys of the stand-in's one person.
import { createHash } from "node:crypto";
import { CreateSshKey, fail, parse, type SshKey } from "@gitspaces/contracts";

export function keepSshKeys() {
  const keys: SshKey[] = [];
  return {
    answer(method: string, id: string | undefined, body: unknown): [status: number, body?: unknown] {
      if (method === "GET") return [200, keys];
      if (method === "DELETE") {
        const at = keys.findIndex(({ identifier }) => identifier === id);
        if (at === -1) throw fail("not_found", "There is no such SSH key.");
        keys.splice(at, 1);
        return [204];
      }
      const { public_key: given, name } = parse(CreateSshKey, body, "SSH key");
      const [type = "", base64 = "", comment = type] = given.split(" ");
      if (type !== "ssh-ed25519") throw fail("bad_request", "The line should begin with the key's type.");
      const same = keys.find(({ public_key }) => public_key === `${type} ${base64}`);
      if (same !== undefined) return [200, same];
      const digest = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64").replace(/=+$/, "");
      const identifier = `key-${keys.length + 1}`;
      const key = {
        identifier,
        name: name ?? comment,
        type,
        fingerprint: `SHA256:${digest}`,
        public_key: `${type} ${base64}`,
        created: 1_795_000_000_000,
      };
      keys.push(key);
      return [201, key];
    },
  };
}
