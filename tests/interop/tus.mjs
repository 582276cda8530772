// Uploads 1 GiB with tus-js-client over a connection that breaks again and again, and compares the result.
// tus.mjs URL FOLDER   URL: a running service in open mode; FOLDER: the folder whose node_modules has tus-js-client.
import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { join } from "node:path";

const [service, folder] = process.argv.slice(2);
const { Upload } = createRequire(folder + "/")("tus-js-client");
const SIZE = Number(process.env.TUS_BYTES ?? 1 << 30);
const CUT = SIZE / 8 + 12345;
const BLOCK = 1 << 20;

// ---- A proxy that cuts after every eighth ----------------------------------------------------------------------------

const target = new URL(service);
let bytesSent = 0, cuts = 0, nextCut = CUT;
const proxy = createServer((from) => {
    const to = connect(Number(target.port), target.hostname);
    const end = () => { from.destroy(); to.destroy(); };
    from.on("data", (piece) => {
        bytesSent += piece.length;
        if (bytesSent >= nextCut) {
            nextCut += CUT;
            cuts += 1;
            return end();
        }
        if (!to.write(piece)) {
            from.pause();
            to.once("drain", () => from.resume());
        }
    });
    to.on("data", (piece) => from.write(piece));
    for (const side of [from, to]) side.on("error", end).on("close", end);
});
await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${proxy.address().port}`;

// ---- A file in which no two blocks are equal ---------------------------------------------------------------------------

const path = join(folder, "tus.bin");
const hash = createHash("sha256");
const out = openSync(path, "w");
for (let at = 0; at < SIZE; at += BLOCK) {
    const block = Buffer.alloc(Math.min(BLOCK, SIZE - at), createHash("sha256").update(String(at)).digest());
    writeSync(out, block);
    hash.update(block);
}
closeSync(out);
const sha256 = hash.digest("hex");

const start = Date.now();
let resumed = 0;
const upload = await new Promise((done, failed) => {
    const upload = new Upload(createReadStream(path), {
        endpoint: url + "/uploads",
        retryDelays: Array(20).fill(1000),
        metadata: { filename: "interop.bin", folder: "interop", sha256 },
        onShouldRetry: () => { resumed += 1; return true; },
        onError: failed,
        onSuccess: () => done(upload),
    });
    upload.start();
});
proxy.close();
rmSync(path);

const address = service + new URL(upload.url, url).pathname;
const { assetHandle, offset } = await (await fetch(address)).json();
const asset = await (await fetch(`${service}/assets/${assetHandle}`)).json();
if (offset !== SIZE || asset.sha256 !== sha256 || asset.size !== SIZE) throw new Error(JSON.stringify({ offset, asset, sha256 }));
if (cuts < 5 || resumed < 5) throw new Error(`the connection broke only ${cuts} times, and the upload resumed ${resumed} times`);
if (bytesSent > SIZE * 1.6) throw new Error(`${bytesSent} bytes were sent for ${SIZE}: breaks cost too much`);
console.log(`tus-js-client: ${SIZE} bytes in ${((Date.now() - start) / 1000).toFixed(1)} s, ${cuts} breaks, ${bytesSent} bytes sent`);
process.exit(0);
