// A VS Code extension as the one file that it is installed from: a zip archive with two lists of contents.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

type Entry = { name: string; content: Buffer };

/** Packs the files of a folder (its package.json among them) as a .vsix; the same files always give the same bytes. */
export function packExtension(folder: string): Buffer {
  const files = readdirSync(folder).toSorted();
  const { name, publisher, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  return zip([
    { name: "extension.vsixmanifest", content: Buffer.from(manifest({ name, publisher, version })) },
    { name: "[Content_Types].xml", content: Buffer.from(contentTypes) },
    ...files.map((file) => ({ name: `extension/${file}`, content: readFileSync(join(folder, file)) })),
  ]);
}

type Manifest = { name: string; publisher: string; version: string };

const manifest = ({ name, publisher, version }: Manifest) => `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${name}" Version="${version}" Publisher="${publisher}"/>
    <DisplayName>${name}</DisplayName>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/></Assets>
</PackageManifest>
`;

const contentTypes = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension=".json" ContentType="application/json"/>
  <Default Extension=".js" ContentType="application/javascript"/>
  <Default Extension=".vsixmanifest" ContentType="text/xml"/>
</Types>
`;

const VERSION = 20;
/** The first day that the format knows, so that no clock is in the file. */
const FIRST_DATE = 0x21;

/** Stored, not compressed: a few hundred bytes are not worth it. */
function zip(entries: Entry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content } of entries) {
    const facts = factsOf(name, content);
    const local = Buffer.concat([signature(0x04034b50), facts, Buffer.from(name), content]);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([signature(0x02014b50, VERSION), facts, central, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const size = directory.reduce((all, each) => all + each.length, 0);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(size, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, signature(0x06054b50), end]);
}

function signature(value: number, madeBy?: number): Buffer {
  const bytes = Buffer.alloc(madeBy === undefined ? 4 : 6);
  bytes.writeUInt32LE(value, 0);
  if (madeBy !== undefined) bytes.writeUInt16LE(madeBy, 4);
  return bytes;
}

/** What a file's own head and its line in the directory have in common. */
function factsOf(name: string, content: Buffer): Buffer {
  const facts = Buffer.alloc(26);
  facts.writeUInt16LE(VERSION, 0);
  facts.writeUInt16LE(FIRST_DATE, 8);
  facts.writeUInt32LE(crc32(content), 10);
  facts.writeUInt32LE(content.length, 14);
  facts.writeUInt32LE(content.length, 18);
  facts.writeUInt16LE(Buffer.byteLength(name), 22);
  return facts;
}
