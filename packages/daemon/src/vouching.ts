// From an authority that is known to the certificate of a peer: directly, or by links from each authority to the one after it.
import { createHash, X509Certificate } from "node:crypto";

/** Where belief begins: the SHA-256 of a CA certificate (DER, hex) that is among those shown, or authorities in PEM. */
export type Trust = { fingerprint: string } | { authorities: string };

/** The certificates in a text of PEM, in order. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/**
 * Whether the certificate is signed by an authority that is trusted, or by one that such an authority vouches for with a link among
 * those shown. What is shown is believed for its signatures alone.
 */
export function isVouchedFor(leaf: X509Certificate, shown: readonly X509Certificate[], trust: Trust): boolean {
  const believed =
    "fingerprint" in trust ? shown.filter((each) => isOf(each, trust.fingerprint)) : certificatesIn(trust.authorities);
  const left = new Set(shown);
  for (let before = -1; believed.length !== before; ) {
    before = believed.length;
    for (const link of left) {
      if (!isLink(link) || !believed.some((each) => isBy(link, each))) continue;
      believed.push(link);
      left.delete(link);
    }
  }
  return believed.some((each) => leaf.verify(each.publicKey));
}

function isOf(certificate: X509Certificate, fingerprint: string): boolean {
  return createHash("sha256").update(certificate.raw).digest("hex") === fingerprint;
}

/** A link is an authority's certificate that is valid now; a process's own certificate vouches for nobody. */
function isLink(certificate: X509Certificate): boolean {
  const now = Date.now();
  return certificate.ca && now >= Date.parse(certificate.validFrom) && now <= Date.parse(certificate.validTo);
}

function isBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.issuer === authority.subject && certificate.verify(authority.publicKey);
}
