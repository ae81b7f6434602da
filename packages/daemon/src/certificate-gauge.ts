// How long this process's certificate lasts, for /metrics: a renewal that keeps failing shows days before anything does.
import { X509Certificate } from "node:crypto";

const DAY_MS = 24 * 60 * 60 * 1_000;
const NAME = "gitspaces_certificate_days_left";

/** Days until the end of a certificate (PEM), not below zero. */
export function daysLeft(certificatePem: string, now: number): number {
  return Math.max(0, (Date.parse(new X509Certificate(certificatePem).validTo) - now) / DAY_MS);
}

/** Shows `gitspaces_certificate_days_left` in prom-client's default registry from the first certificate on; read at each question. */
export function certificateGauge(read: () => string | undefined): void {
  void import("prom-client").then(({ Gauge, register }) => {
    if (register.getSingleMetric(NAME) !== undefined) register.removeSingleMetric(NAME);
    const help = "Days until this process's certificate ends; it is renewed at a third of its life before that";
    // oxlint-disable-next-line no-new -- a figure lives in its registry
    new Gauge({
      name: NAME,
      help,
      collect() {
        const certificate = read();
        if (certificate !== undefined) this.set(daysLeft(certificate, Date.now()));
      },
    });
  });
}
