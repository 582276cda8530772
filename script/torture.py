"""The work of script/torture: creates hostile files, has a service render them beside good ones, and checks the results.

Python's standard library only. The files are the same each time. Needs a release build: without optimisation 100
megapixels take longer than the limits allow.
"""

import argparse, json, os, random, re, shutil, struct, subprocess, sys, threading, time, urllib.error, urllib.request, zlib

MODIFIER = "wid=300&fmt=png"
MAX_MEMORY_GROWTH = 50 << 20


# ---- Files -----------------------------------------------------------------------------------------------------------


def zeros(length):
    """Deflated zeros, without holding them in memory."""
    packer, piece = zlib.compressobj(9), b"\0" * (1 << 20)
    out = [packer.compress(piece[: min(len(piece), length - at)]) for at in range(0, length, len(piece))]
    return b"".join(out) + packer.flush()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, data, extra=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def noise(width, height, seed):
    """Rows of an RGB PNG that deflate badly."""
    generator = random.Random(seed)
    return zlib.compress(b"".join(b"\0" + generator.randbytes(3 * width) for _ in range(height)), 1)


def gif(side, frames, cover=1):
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, cover, cover, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0" * 6 + frame * frames + b";"


def tiff(width, height, packing, strip, following=0):
    offset = 8
    tags = [(256, width), (257, height), (258, 8), (259, packing), (262, 1), (273, offset), (277, 1), (278, height)]
    tags.append((279, len(strip)))
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", offset + len(strip)) + strip + table + struct.pack("<I", following)


def bmp(width, height, bits, packing, body):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + info + body


def scans(side, number):
    tables = b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64
    frame = b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", side, side) + b"\1\1\x11\0"
    codes = b"\xff\xc4\0\x14\0\1" + b"\0" * 15 + b"\0"
    return tables + frame + codes + b"\xff\xda\0\x08\1\1\0\0\0\0\0" * number + b"\xff\xd9"


def hostile():
    """Name to bytes."""
    pixel = zlib.compress(b"\0\0\0\0")
    frames = chunk(b"acTL", struct.pack(">II", 100_000, 0))
    looped = bytearray(tiff(1, 1, 1, b"\0"))
    looped[-4:] = struct.pack("<I", 9)
    return {
        "bomb 900 megapixels.png": png(30_000, 30_000, 1, 0, zeros(3751 * 30_000)),
        "bomb 361 megapixels.png": png(19_000, 19_000, 8, 0, zeros(19_001 * 19_000)),
        "deep 25 megapixels.png": png(5000, 5000, 16, 6, zeros(40_001 * 5000)),
        "deep 100 megapixels.png": png(10_000, 10_000, 16, 6, zeros(80_001 * 1000)),
        "large 100 megapixels.png": png(10_000, 10_000, 8, 0, zeros(10_001 * 10_000)),
        "lie.png": png(2**31 - 1, 2**31 - 1, 8, 6, pixel),
        "no width.png": png(0, 10, 8, 2, pixel),
        "too much data.png": png(1, 1, 8, 0, zeros(500_000_000)),
        "text bomb.png": png(1, 1, 8, 0, pixel, chunk(b"zTXt", b"k\0\0" + zeros(500_000_000))),
        "profile bomb.png": png(1, 1, 8, 2, pixel, chunk(b"iCCP", b"p\0\0" + zeros(500_000_000))),
        "100000 frames.png": png(1, 1, 8, 0, pixel, frames),
        "screen.gif": gif(65_535, 1, 65_535),
        "50000 frames.gif": gif(2000, 50_000),
        "499 large frames.gif": gif(2000, 499),
        "lie.bmp": bmp(2**31 - 1, 2**31 - 1, 24, 0, b"\0" * 4),
        "runs.bmp": bmp(40_000, 40_000, 8, 1, b"\0" * 1024 + b"\0\1"),
        "lie.tif": tiff(2**31, 2**31, 1, b"\0"),
        "loop.tif": bytes(looped),
        "bomb.tif": tiff(31_622, 31_622, 8, zeros(500_000_000)),
        "large 100 megapixels.tif": tiff(10_000, 10_000, 8, zeros(100_000_000)),
        "scans.jpg": scans(65_500, 2000),
        "scans of 64 megapixels.jpg": scans(8000, 20_000),
        "canvas.webp": b"RIFF\x16\0\0\0WEBPVP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\xff" * 6,
        "script.gif": b"GIF89a=1;alert(1)//",
        "page.png": b"<!doctype html><script>alert(1)</script>",
        "one byte.jpg": b"\xff",
    }


def damaged(name, whole, generator):
    """Truncated copies of a good file, with pixels missing, and copies with flipped bits."""
    base, ending = name.rsplit(".", 1)
    for share in range(5, 96, 10):
        yield f"cut {share} {base}.{ending}", whole[: len(whole) * share // 100]
    for number in range(20):
        copy = bytearray(whole)
        for _ in range(1 + number):
            copy[generator.randrange(len(copy))] ^= 1 << generator.randrange(8)
        yield f"flip {number} {base}.{ending}", bytes(copy)


# ---- The service -----------------------------------------------------------------------------------------------------


class Service:
    def __init__(self, binary, work):
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        self.log = os.path.join(work, "service.log")
        env = dict(os.environ, OFFPRINT_BIND="127.0.0.1:0", OFFPRINT_DATA_DIR=os.path.join(work, "data"), RUST_LOG="info")
        self.process = subprocess.Popen([binary, "serve"], env=env, stderr=open(self.log, "w"))
        for _ in range(600):
            address = re.search(r"answers at (http://\S+)", open(self.log).read())
            if address or self.process.poll() is not None:
                break
            time.sleep(0.1)
        if not address:
            sys.exit(f"The service did not start. See {self.log}.")
        self.url = address.group(1)

    def request(self, path, body=None, kind="application/json"):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind} if data else {})
        with urllib.request.urlopen(request, timeout=90) as response:
            return json.load(response)

    def upload(self, name, data):
        """The asset's handle, or None when the upload was refused."""
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        try:
            response = self.request("/assets", head + data + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")
        except urllib.error.HTTPError as refused:
            return None if refused.code < 500 else sys.exit(f"Upload of {name}: {refused.read()}")
        return response["assets"][0]["assetHandle"]

    def export(self, handles):
        """Creates a job, waits until it is finished, and returns its items."""
        body = {"assetHandleArray": handles, "fmt": "convert", "is_modifier": MODIFIER, "onUnconvertible": "fail"}
        job = self.request("/export-jobs", body)["jobHandle"]
        while self.request(f"/export-jobs/{job}")["state"] != "finished":
            time.sleep(0.2)
        return self.request(f"/export-jobs/{job}/items?limit=1000")["items"]

    def memory(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) << 10

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


# ---- The checks ------------------------------------------------------------------------------------------------------


def files(folders):
    generator = random.Random(7)
    found = dict(hostile())
    good = {f"good {seed}.png": png(300, 200, 8, 2, noise(300, 200, seed)) for seed in range(2)}
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and re.search(r"\.(png|jpe?g|tiff?|gif|webp|bmp)$", name):
                found["given " + name] = open(path, "rb").read()
    for name, whole in good.items():
        found.update(damaged(name, whole, generator))
    return found


def export_good_images(service, ends, closing):
    """Exports a good image again and again; records how each ended and how long it took."""
    number = 0
    while not closing.is_set():
        number += 1
        handle = service.upload(f"neighbour {number}.png", png(200, 150, 8, 2, noise(200, 150, 1000 + number)))
        start = time.monotonic()
        ends.append((service.export([handle])[0]["state"], time.monotonic() - start))


def main():
    arguments = argparse.ArgumentParser()
    for name in ("--binary", "--work", "--called-from"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--keep", action="store_true", help="keep the service's folder")
    arguments.add_argument("folders", nargs="*")
    given = arguments.parse_args()
    service = Service(given.binary, given.work)
    findings, before = [], None
    try:
        service.export([service.upload("first.png", png(200, 150, 8, 2, noise(200, 150, 1)))])
        before = service.memory()
        ends, closing = [], threading.Event()
        beside = threading.Thread(target=export_good_images, args=(service, ends, closing))
        beside.start()
        start, names, refused = time.monotonic(), {}, 0
        peak = before
        for name, data in files(os.path.join(given.called_from, folder) for folder in given.folders).items():
            handle = service.upload(name, data)
            peak = max(peak, service.memory())
            if handle:
                names[handle] = name
            else:
                refused += 1
        items = service.export(list(names))
        took = time.monotonic() - start
        closing.set()
        beside.join()
        peak = max(peak, service.memory())
        codes = {}
        for item in items:
            name = names[item["assetHandle"]]
            end = item["failure"]["code"] if item["state"] == "failed" else item["state"]
            codes[end] = codes.get(end, 0) + 1
            if name.startswith("cut ") and item["state"] == "succeeded":
                findings.append(f"{name} is truncated and succeeded")
            if item["state"] not in ("failed", "succeeded") or end == "internal":
                findings.append(f"{name} ended as {end}")
            if end == "poison":
                print(f"  {name}: {item['failure']['detail']}")
        findings += [f"a good image ended as {state}" for state, _ in ends if state != "succeeded"]
        if peak - before >= MAX_MEMORY_GROWTH:
            findings.append(f"the service's own memory grew by {(peak - before) >> 20} MiB")
        if service.process.poll() is not None:
            findings.append("the service died")
        slowest = max(seconds for _, seconds in ends)
        print(f"{len(items)} hostile files in {took:.0f} s, {refused} more refused at upload: {codes}")
        print(f"{len(ends)} good images beside them, the slowest in {slowest:.1f} s")
        print(f"the service's own memory: {before >> 20} MiB before, {peak >> 20} MiB at most")
    finally:
        service.stop()
    if not given.keep:
        shutil.rmtree(given.work, ignore_errors=True)
    for finding in findings:
        print("WRONG:", finding)
    sys.exit(1 if findings else 0)


main()
