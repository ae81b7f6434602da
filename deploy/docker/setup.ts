// Prepares a composed installation before its daemons start, as often as it is asked to: secrets, the CA, Redis's certificate and
// users. The volume `installation` keeps all; each service's volume gets what that service needs.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openCa } from "../../apps/runner/src/ca.ts";
import { composedServices, composeInstallation, keepFiles } from "../../packages/local/src/compose-init.ts";
import { redisCertificate } from "./redis-certificate.ts";

const handed = process.env["GITSPACES_HANDED_FOLDER"] ?? "/handed";
const given = process.env["GITSPACES_GIVEN_FOLDER"] ?? "/given";
const companyFile = process.env["NODE_EXTRA_CA_CERTS"] ?? "";
const redisNames = (process.env["GITSPACES_REDIS_NAMES"] ?? "redis").split(",").map((name) => name.trim());

const { installation, files } = await composeInstallation(join(handed, "installation"), given);
const ca = await openCa(join(handed, "runner-data", "ca"), installation, Date.now());
const redis = await redisCertificate(join(handed, "redis"), redisNames.filter(Boolean), Date.now());

files.redis["key.pem"] = redis.key;
files.redis["certificate.pem"] = redis.certificate;
// Node takes one file of further authorities: the company's and Redis's own.
const company = existsSync(companyFile) ? readFileSync(companyFile, "utf8") : "";
for (const name of ["delegate", "runner", "gateway"] as const) files[name]["trusted.pem"] = company + redis.certificate;
for (const name of ["delegate", "gateway"] as const) files[name]["ca-fingerprint"] = `${ca.fingerprint}\n`;
for (const name of composedServices) keepFiles(join(handed, name), files[name]);
console.log(`The installation ${installation} is prepared.`);
