// What every generated client must be able to do, and how the results are checked: the same as scenario.py.
import { createHash } from "node:crypto";
import { deflateSync, crc32 as zlibCrc32 } from "node:zlib";

export interface ExportedFile { path: string; size: number; sha256: string }

/** The calls of the main job, as each client makes them. */
export interface Client {
  upload(files: File[]): Promise<string[]>;
  move(asset: string, folder: string): Promise<void>;
  createJob(assets: string[], modifier: string): Promise<string>;
  /** Waits for the end of the job; its outcome. */
  wait(job: string): Promise<string>;
  listFiles(job: string): Promise<ExportedFile[]>;
  fetchFile(job: string, path: string): Promise<Uint8Array>;
  /** The archive or a range of it, and its ETag. */
  fetchArchive(job: string, range?: string, ifRange?: string): Promise<[Uint8Array, string]>;
  /** The paths in the manifest. */
  readManifest(job: string): Promise<string[]>;
  /** The code of the problem that an unknown handle gives. */
  askForUnknownJob(job: string): Promise<string>;
}

export const url = process.argv[2]!;
export const key = process.argv[3];

function crc32(bytes: Uint8Array): number {
  if (zlibCrc32) return zlibCrc32(bytes);
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function drawPng(seed: number, width = 40, height = 30): Uint8Array {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y++)
    for (let at = 0; at < width * 3; at++) rows[y * (1 + width * 3) + 1 + at] = at * seed * 7 + y * 3;
  const chunk = (kind: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), data]), size = Buffer.alloc(4), sum = Buffer.alloc(4);
    size.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([size, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`WRONG: ${what}`);
}

const isEqual = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;

export async function run(name: string, client: Client): Promise<void> {
  const images = [1, 2, 3].map((seed) => drawPng(seed));
  const files = images.map((data, index) => new File([new Uint8Array(data)], `${name} ${Date.now()} ${index}.png`, { type: "image/png" }));
  const handles = await client.upload(files);
  check(handles.length === 3, `three assets were uploaded: ${handles}`);
  await client.move(handles[1]!, "spring/shoes");
  const job = await client.createJob(handles, "wid=20&fmt=png");
  const outcome = await client.wait(job);
  check(outcome === "succeeded", `the job succeeds: ${outcome}`);
  const exported = await client.listFiles(job);
  check(exported.length === 3 && exported.some((file) => file.path.includes("/")), `three files, one in a folder: ${JSON.stringify(exported)}`);
  for (const file of exported) {
    const data = await client.fetchFile(job, file.path);
    const sha256 = createHash("sha256").update(data).digest("hex");
    check(data.length === file.size && sha256 === file.sha256, `${file.path} has the listed bytes`);
  }
  const [whole, etag] = await client.fetchArchive(job);
  const [first] = await client.fetchArchive(job, "bytes=0-999");
  const [rest] = await client.fetchArchive(job, "bytes=1000-", etag);
  check(first.length === 1000 && isEqual(Buffer.concat([first, rest]), whole), "the archive in two parts is the one in one piece");
  check(whole[0] === 0x50 && whole[1] === 0x4b, "the archive is a zip");
  const listed = (await client.readManifest(job)).sort();
  check(JSON.stringify(listed) === JSON.stringify(exported.map((file) => file.path).sort()), "the manifest lists all files");
  const code = await client.askForUnknownJob("00000000-0000-7000-8000-00000000dead");
  check(code === "not-found", `an error has its code: ${code}`);
  console.log(`${name}: uploaded, created, waited, fetched 3 files and the archive, resumed`);
}
