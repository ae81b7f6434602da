// The rows of the correctness matrix: what is sent, what is said inside, and what the best of the proxies we know lets through.
import { endings } from "./endings.ts";
import { leaks } from "./leaks.ts";
import { malformed } from "./malformed.ts";
import { passing } from "./passing.ts";
import type { Row } from "./row.ts";
import { upgrades } from "./upgrades.ts";

export const rows: readonly Row[] = [...passing, ...malformed, ...endings, ...upgrades, ...leaks];
