// Certificates live days: long enough for a runner that is away over a long weekend, short enough to need no revocation list.
export const CERTIFICATE_LIFE_MS = 7 * 24 * 60 * 60 * 1_000;
