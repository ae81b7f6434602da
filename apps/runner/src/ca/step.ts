// What a rotation of the certificate authority does next. Pure: no clock, no files.
import type { CaRecord } from "./record.ts";

/** What a process was given last. */
export type Member = {
  /** `<role>/<name>`. */
  name: string;
  /** Fingerprint of the authority that issued its certificate. */
  issuer: string;
  /** Fingerprints of those it was told to trust. */
  trusted: readonly string[];
  /** When that was, and when its certificate ends; milliseconds since the epoch. */
  at: number;
  until: number;
};
/** `isWhole`: whoever holds a valid certificate is in `present`. */
export type Members = { isWhole: boolean; present: readonly Member[] };

export type Situation = {
  record: CaRecord;
  /** Fingerprints of the record's authorities. */
  fingerprints: { present: string; next?: string | undefined; retiring?: string | undefined };
  now: number;
  lifeMs: number;
  /** When the present authority's own certificate ends. */
  endsAt: number;
  isAskedFor: boolean;
  members: Members;
};
export type Step = "announce" | "switch" | "drop";

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

/** The step to take now, or nothing. An authority in its last year is replaced without being asked. */
export function nextStep(situation: Situation): Step | undefined {
  const { record, now, endsAt, isAskedFor } = situation;
  if (record.next !== null) return now >= record.next.until || nobodyIsWaitedFor(situation) ? "switch" : undefined;
  if (record.retiring !== null)
    return now >= record.retiring.until || nobodyIsWaitedFor(situation) ? "drop" : undefined;
  return isAskedFor || now > endsAt - YEAR_MS ? "announce" : undefined;
}

function nobodyIsWaitedFor(situation: Situation): boolean {
  return situation.members.isWhole && waitedFor(situation).length === 0;
}

/**
 * The members that keep the rotation where it is: they do not trust the next authority yet, or still use what the last one issued.
 * An answer may have been lost on its way, so that one counts only after a hundredth of a certificate's life.
 */
export function waitedFor({ record, fingerprints, now, lifeMs, members }: Situation): readonly Member[] {
  const settled = ({ at }: Member): boolean => now - at >= lifeMs / 100;
  const { next, retiring } = fingerprints;
  const has = (member: Member): boolean =>
    record.next !== null ? member.trusted.includes(next ?? "") : member.issuer !== retiring;
  return members.present.filter((member) => member.until > now && !(has(member) && settled(member)));
}

/**
 * When nobody has to be waited for any longer: what is issued now has ended, also by a clock that is a little behind.
 * Members may hold longer ones, of a time when they were given for longer.
 */
export function deadline(now: number, lifeMs: number, members: Members): number {
  const ends = members.present.map(({ until }) => until);
  return Math.ceil(Math.max(now + lifeMs, ...ends) + Math.min(lifeMs / 10, YEAR_MS / 8_760));
}
