"""Compares the service with other tools on the same files in one run, and prints a table in Markdown.

usage: compare.py OFFPRINT_BINARY WORK_FOLDER [PICTURES]
Peers: sharp (npm, in WORK_FOLDER/node), pyvips and Pillow (PyPI). A peer that is not there is left out, saying so.
The pictures are real photographs where ../shared/data/photos is, else those that the project draws; each is numbered by
a comment, so that none is equal to another and nothing is reused by accident.
"""
import json, os, shutil, struct, subprocess, sys, time, urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
WIDTH, QUALITY, SLOTS = 800, 85, 2
SIZES = [(1600, 1250), (2000, 1500), (3000, 2000), (3264, 2448), (4000, 3000), (4500, 3600), (6000, 4000), (8000, 6000)]


def tiled(picture, width, height):
    out = Image.new("RGB", (width, height))
    for y in range(0, height, picture.height):
        for x in range(0, width, picture.width):
            out.paste(picture, (x, y))
    return out


def draw(binary, work, count):
    """Writes `count` numbered JPEGs of 2 to 48 MP into a folder."""
    folder, photos = f"{work}/pictures", "../shared/data/photos"
    if os.path.isdir(folder) and len(os.listdir(folder)) == count:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if not os.path.isdir(photos):
        photos = f"{work}/drawn"
        subprocess.run([binary, "admin", "draw-samples", photos], check=True, stdout=subprocess.DEVNULL)
    sources = [Image.open(f"{photos}/{name}").convert("RGB") for name in sorted(os.listdir(photos)) if name.endswith(".jpg") and "cmyk" not in name]
    bases = []
    for index, (width, height) in enumerate(SIZES):
        tiled(sources[index % len(sources)], width, height).save(f"{work}/base.jpg", quality=90, subsampling=2)
        bases.append(open(f"{work}/base.jpg", "rb").read())
    for number in range(count):
        base, comment = bases[number % len(bases)], f"number {number}".encode()
        with open(f"{folder}/{number:04}.jpg", "wb") as out:
            out.write(base[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + base[2:])
    return folder


def command(process):
    return open(f"/proc/{process}/cmdline").read()


class Service:
    """A running `offprint serve` on a fresh folder."""

    def __init__(self, binary, work, port=8192):
        self.binary, self.url, data = binary, f"http://127.0.0.1:{port}", f"{work}/data"
        shutil.rmtree(data, ignore_errors=True)
        env = dict(os.environ, OFFPRINT_DATA_DIR=data, OFFPRINT_BIND=f"127.0.0.1:{port}", OFFPRINT_SLOTS=str(SLOTS), OFFPRINT_MAX_ITEMS="100000", OFFPRINT_MAX_UPLOAD=str(2 << 30), RUST_LOG="warn")
        env.pop("DATABASE_URL", None)
        self.process = subprocess.Popen([binary, "serve"], env=env, stderr=open(f"{work}/serve.log", "w"))
        while True:
            try:
                urllib.request.urlopen(self.url + "/health/ready").read()
                return
            except OSError:
                time.sleep(0.2)

    def push(self, source, folder):
        subprocess.run([self.binary, "push", source, "--folder", folder, "--url", self.url], check=True, stdout=subprocess.DEVNULL)

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    def export(self, **order):
        """Seconds from POST to archive ready, and the job."""
        begun = time.perf_counter()
        job = self.ask("/export-jobs", order)
        while job["state"] != "finished":
            job = self.ask(f"/export-jobs/{job['jobHandle']}?wait=60")
        assert job["outcome"].startswith("succeeded"), job
        return time.perf_counter() - begun, job

    def peak(self):
        """Peak memory in MiB of the service and its children, Postgres left out."""
        total, wanted = 0, {self.process.pid}
        for entry in os.listdir("/proc"):
            try:
                status = dict(line.split(":\t", 1) for line in open(f"/proc/{entry}/status").read().splitlines() if ":\t" in line)
            except (OSError, ValueError):
                continue
            if int(status["Pid"]) in wanted or (int(status["PPid"]) in wanted and "render-worker" in command(entry)):
                total += int(status["VmHWM"].split()[0]) / 1024
        return total

    def stop(self):
        self.process.terminate()
        self.process.wait()


SHARP = """
const sharp = require('sharp'), fs = require('fs'), [folder, out, width, quality] = process.argv.slice(2);
sharp.concurrency(1); sharp.cache(false);
(async () => {
  const names = fs.readdirSync(folder), begun = process.hrtime.bigint(); let next = 0;
  const slot = async () => { while (next < names.length) { const name = names[next++];
    await sharp(folder + '/' + name).resize({width: +width}).jpeg({quality: +quality}).toFile(out + '/' + name); } };
  await Promise.all([slot(), slot()]);
  console.log(Number(process.hrtime.bigint() - begun) / 1e9);
})();
"""


def sharp(work, folder, width=WIDTH):
    """Seconds that sharp takes for the conversion alone; none without sharp."""
    home, out = f"{work}/node", f"{work}/sharp"
    if not os.path.isdir(f"{home}/node_modules/sharp"):
        return None
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    open(f"{home}/bench.js", "w").write(SHARP)
    said = subprocess.run(["node", f"{home}/bench.js", folder, out, str(width), str(QUALITY)], check=True, capture_output=True, text=True)
    return float(said.stdout)


def vips(folder, work):
    try:
        import pyvips
    except ImportError:
        return None
    pyvips.cache_set_max(0)
    out = f"{work}/vips"
    os.makedirs(out, exist_ok=True)
    shrink = lambda name: pyvips.Image.thumbnail(f"{folder}/{name}", WIDTH).jpegsave(f"{out}/{name}", Q=QUALITY)
    begun = time.perf_counter()
    with ThreadPoolExecutor(SLOTS) as pool:
        list(pool.map(shrink, os.listdir(folder)))
    return time.perf_counter() - begun


def ssim(a, b):
    """Mean structural similarity of the luma, in windows of 8x8."""
    a, b = (numpy.asarray(Image.open(path).convert("L"), float) for path in (a, b))
    height, width = (side // 8 * 8 for side in numpy.minimum(a.shape, b.shape))
    a, b = (x[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 64) for x in (a, b))
    ma, mb, va, vb = a.mean(1), b.mean(1), a.var(1), b.var(1)
    cov = ((a - ma[:, None]) * (b - mb[:, None])).mean(1)
    return float(((2 * ma * mb + 6.5025) * (2 * cov + 58.5225) / ((ma**2 + mb**2 + 6.5025) * (va + vb + 58.5225))).mean())


def quality(folder, ours, theirs):
    """Mean SSIM of both against a full decode with Lanczos, over the first eight pictures."""
    found = []
    for name in sorted(os.listdir(folder))[: len(SIZES)]:
        picture = Image.open(f"{folder}/{name}")
        reference = f"{ours}/reference.png"
        picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.LANCZOS).save(reference)
        found.append([ssim(reference, f"{place}/{name}") for place in (ours, theirs)])
        os.remove(reference)
    return numpy.mean(found, 0)


WIDTHS = [1600, 800, 200]


def three(service, work, folder, count):
    """Three sizes of each picture in one job, beside sharp's three passes."""
    for turn in range(2):
        peers = [sharp(work, folder, width) for width in WIDTHS]
        renditions = [dict(name=f"w{width}", is_modifier=f"wid={width}&fmt=jpeg&qlt={QUALITY}&printRes={80 + turn}") for width in WIDTHS]
        taken, _ = service.export(assetFilter={"folder": "set"}, fmt="convert", renditions=renditions)
        label = f"{count} photographs to {', '.join(map(str, WIDTHS))} px JPEG, one job, turn {turn + 1}"
        peer = None if None in peers else sum(peers)
        row(label, f"{count / taken:.1f}/s", f"sharp, three passes {count / peer:.1f}/s" if peer else "sharp: not there", f"{peer / taken:.2f}" if peer else "")


def archived(service, work, folder, job):
    """The archive over HTTP beside `cat`, three turns; both read from the page cache and write nowhere or to a file."""
    url, rates = f"{service.url}/export-jobs/{job['jobHandle']}/archive", []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
        fetched = time.perf_counter() - begun
        begun = time.perf_counter()
        subprocess.run(f"cat {folder}/*.jpg > {work}/cat", shell=True, check=True)
        rates.append((job["bytes"] / 1e6 / fetched, job["bytes"] / 1e6 / (time.perf_counter() - begun)))
    ours, cat = numpy.median(rates, 0)
    row("archive of the originals over HTTP, median of three", f"{ours:.0f} MB/s", f"cat {cat:.0f} MB/s", f"{ours / cat:.2f}")


def originals(service, work):
    """Jobs of 1,000 and 10,000 originals, from POST to archive ready, and the first byte of the larger archive."""
    folder, times = f"{work}/small", []
    os.makedirs(folder, exist_ok=True)
    for number in range(10_000):
        with open(f"{folder}/{number:05}.txt", "w") as out:
            out.write(f"small original number {number}")
    service.push(folder, "many")
    handles = []
    page = service.ask("/assets?folder=many&limit=1000")
    while True:
        handles += [asset["assetHandle"] for asset in page["items"]]
        if not page["nextCursor"]:
            break
        page = service.ask(f"/assets?folder=many&limit=1000&cursor={page['nextCursor']}")
    for items in (1_000, 10_000):
        turns = [service.export(assetHandleArray=handles[:items], fmt="orig") for _ in range(3)]
        times.append(float(numpy.median([taken for taken, _ in turns])))
        row(f"{items:,} originals, from POST to archive ready", f"{times[-1] * 1000:.0f} ms", "", "")
    row("ten times the items", f"{times[1] / times[0]:.1f} times the time", "", "")
    begun = time.perf_counter()
    answer = urllib.request.urlopen(f"{service.url}/export-jobs/{turns[0][1]['jobHandle']}/archive")
    answer.read(1)
    row("first byte of that archive", f"{(time.perf_counter() - begun) * 1000:.1f} ms", "", "")
    answer.close()


def upload(service, work):
    """One file of 1 GiB, beside hashing it and writing it durably."""
    file, size, rates = f"{work}/large.bin", 1 << 30, []
    for turn in range(3):
        with open(file, "wb") as out:
            block = os.urandom(1 << 20)
            for number in range(size >> 20):
                out.write(struct.pack(">QQ", turn, number) + block[16:])
        seconds = []
        for words in (["curl", "-sf", "-o", "/dev/null", "-F", f"file=@{file}", f"{service.url}/assets"], ["sha256sum", file], ["dd", f"if={file}", f"of={file}.copy", "bs=1M", "conv=fsync"]):
            begun = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            seconds.append(time.perf_counter() - begun)
        rates.append([size / 1e6 / it for it in seconds])
    ours, hashed, written = numpy.median(rates, 0)
    slower = min(hashed, written)
    row("upload of 1 GiB, median of three", f"{ours:.0f} MB/s", f"sha256sum {hashed:.0f}, dd with fsync {written:.0f} MB/s", f"{ours / slower:.2f}")


def row(name, ours, peer, ratio, note=""):
    print(f"| {name} | {ours} | {peer} | {ratio} | {note} |", flush=True)


def main():
    binary, work, count = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int((sys.argv + [200])[3])
    os.makedirs(work, exist_ok=True)
    folder = draw(binary, work, count)
    service = Service(binary, work)
    print("| what | ours | peer | ratio | note |\n|---|---|---|---|---|")
    try:
        service.push(folder, "set")
        order = dict(assetFilter={"folder": "set"}, fmt="convert", is_modifier=f"wid={WIDTH}&fmt=jpeg&qlt={QUALITY}")
        peers, first = [], None
        for turn in range(3):
            peer = sharp(work, folder)
            # A comment in the modifier would be the same recipe: another quality of an unused kind is another one.
            taken, job = service.export(**{**order, "is_modifier": order["is_modifier"] + f"&printRes={72 + turn}"})
            first = first or taken
            peers.append((taken, peer))
            label = f"{count} photographs to {WIDTH} px JPEG, whole job, turn {turn + 1}"
            row(label, f"{count / taken:.1f}/s", f"sharp {count / peer:.1f}/s" if peer else "sharp: not there", f"{peer / taken:.2f}" if peer else "")
        row("peak memory, all our processes", f"{service.peak():.0f} MiB", "", "")
        other = vips(folder, work)
        if other:
            row("the same, pyvips with 2 threads", f"{count / first:.1f}/s", f"{count / other:.1f}/s", f"{other / first:.2f}")
        archive = f"{work}/archive.zip"
        urllib.request.urlretrieve(f"{service.url}/export-jobs/{job['jobHandle']}/archive", archive)
        subprocess.run(["python3", "-m", "zipfile", "-e", archive, f"{work}/ours"], check=True)
        if peer:
            mine, theirs = quality(folder, f"{work}/ours", f"{work}/sharp")
            row("SSIM against a full decode with Lanczos", f"{mine:.4f}", f"sharp {theirs:.4f}", "")
        three(service, work, folder, count)
        again, _ = service.export(**{**order, "is_modifier": order["is_modifier"] + "&printRes=72"})
        row("the same job again", f"{again * 1000:.0f} ms", "the first time", f"{first / again:.0f} times faster")
        taken, job = service.export(assetFilter={"folder": "set"}, fmt="orig")
        archived(service, work, folder, job)
        originals(service, work)
        upload(service, work)
        row("peak memory, all our processes, after everything", f"{service.peak():.0f} MiB", "", "")
    finally:
        service.stop()


if __name__ == "__main__":
    main()
