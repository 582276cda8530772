"""Compares the service with other tools on the same files in one run, and prints a table in Markdown.

usage: compare.py OFFPRINT_BINARY WORK_FOLDER [COUNT]
Peers: sharp (npm, in WORK_FOLDER/node), pyvips and Pillow (PyPI). A missing peer is skipped with a message.
The images are made of the photographs in ../shared/data/photos, or else of those that the project draws. Each has a number
in a comment, so that no two files are equal and nothing is reused by accident.
"""
import json, os, shutil, struct, subprocess, sys, time, urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
WIDTH, QUALITY, THREADS = 800, 85, 2
SIZES = [(1600, 1250), (2000, 1500), (3000, 2000), (3264, 2448), (4000, 3000), (4500, 3600), (6000, 4000), (8000, 6000)]


def tile_image(image, width, height):
    out = Image.new("RGB", (width, height))
    for y in range(0, height, image.height):
        for x in range(0, width, image.width):
            out.paste(image, (x, y))
    return out


def draw_images(binary, work, count):
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
        tile_image(sources[index % len(sources)], width, height).save(f"{work}/base.jpg", quality=90, subsampling=2)
        bases.append(open(f"{work}/base.jpg", "rb").read())
    for number in range(count):
        base, comment = bases[number % len(bases)], f"number {number}".encode()
        with open(f"{folder}/{number:04}.jpg", "wb") as out:
            out.write(base[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + base[2:])
    return folder


def read_command_line(process):
    return open(f"/proc/{process}/cmdline").read()


class Service:
    """A running `offprint serve` on a fresh folder."""

    def __init__(self, binary, work, port=8192):
        self.binary, self.url, data = binary, f"http://127.0.0.1:{port}", f"{work}/data"
        shutil.rmtree(data, ignore_errors=True)
        env = dict(os.environ, OFFPRINT_DATA_DIR=data, OFFPRINT_BIND=f"127.0.0.1:{port}", OFFPRINT_MAX_ITEMS="100000", OFFPRINT_MAX_UPLOAD=str(2 << 30), RUST_LOG="warn")
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

    def call(self, path, body=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    def export(self, **request):
        """Seconds from POST to archive ready, and the job."""
        started = time.perf_counter()
        job = self.call("/export-jobs", request)
        while job["state"] != "finished":
            job = self.call(f"/export-jobs/{job['jobHandle']}?wait=60")
        assert job["outcome"].startswith("succeeded"), job
        return time.perf_counter() - started, job

    def measure_peak_memory(self):
        """Peak memory in MiB of the service and its children without Postgres."""
        total, wanted = 0, {self.process.pid}
        for process_id in os.listdir("/proc"):
            try:
                status = dict(line.split(":\t", 1) for line in open(f"/proc/{process_id}/status").read().splitlines() if ":\t" in line)
            except (OSError, ValueError):
                continue
            if int(status["Pid"]) in wanted or (int(status["PPid"]) in wanted and "render-worker" in read_command_line(process_id)):
                total += int(status["VmHWM"].split()[0]) / 1024
        return total

    def stop(self):
        self.process.terminate()
        self.process.wait()


SHARP = """
const sharp = require('sharp'), fs = require('fs'), [folder, out, width, format, options] = process.argv.slice(2);
sharp.concurrency(1); sharp.cache(false);
(async () => {
  const names = fs.readdirSync(folder), begun = process.hrtime.bigint(); let next = 0;
  const slot = async () => { while (next < names.length) { const name = names[next++];
    await sharp(folder + '/' + name).resize({width: +width})[format](JSON.parse(options)).toFile(out + '/' + name); } };
  await Promise.all([slot(), slot()]);
  console.log(Number(process.hrtime.bigint() - begun) / 1e9);
})();
"""


def time_sharp(work, folder, width=WIDTH, format="jpeg", **options):
    """Seconds that sharp takes for the conversion alone; `None` without sharp."""
    home, out = f"{work}/node", f"{work}/sharp"
    if not os.path.isdir(f"{home}/node_modules/sharp"):
        return None
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    open(f"{home}/bench.js", "w").write(SHARP)
    output = subprocess.run(["node", f"{home}/bench.js", folder, out, str(width), format, json.dumps(options or {"quality": QUALITY})], check=True, capture_output=True, text=True)
    return float(output.stdout)


def time_vips(folder, work):
    try:
        import pyvips
    except ImportError:
        return None
    pyvips.cache_set_max(0)
    out = f"{work}/vips"
    os.makedirs(out, exist_ok=True)
    shrink = lambda name: pyvips.Image.thumbnail(f"{folder}/{name}", WIDTH).jpegsave(f"{out}/{name}", Q=QUALITY)
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(shrink, os.listdir(folder)))
    return time.perf_counter() - started


def ssim(a, b):
    """Mean structural similarity of the luma, in windows of 8x8."""
    a, b = (numpy.asarray(Image.open(path).convert("L"), float) for path in (a, b))
    height, width = (side // 8 * 8 for side in numpy.minimum(a.shape, b.shape))
    a, b = (x[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 64) for x in (a, b))
    ma, mb, va, vb = a.mean(1), b.mean(1), a.var(1), b.var(1)
    cov = ((a - ma[:, None]) * (b - mb[:, None])).mean(1)
    return float(((2 * ma * mb + 6.5025) * (2 * cov + 58.5225) / ((ma**2 + mb**2 + 6.5025) * (va + vb + 58.5225))).mean())


def compute_quality(folder, ours, theirs):
    """Mean SSIM of both against a full decode with Lanczos, over the first eight images."""
    scores = []
    for name in sorted(os.listdir(folder))[: len(SIZES)]:
        image = Image.open(f"{folder}/{name}")
        reference = f"{ours}/reference.png"
        image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.LANCZOS).save(reference)
        scores.append([ssim(reference, f"{result_folder}/{name}") for result_folder in (ours, theirs)])
        os.remove(reference)
    return numpy.mean(scores, 0)


WIDTHS = [1600, 800, 200]


def compare_renditions(service, work, folder, count):
    """Three sizes of each image in one job, compared with three passes of sharp."""
    for turn in range(2):
        peers = [time_sharp(work, folder, width) for width in WIDTHS]
        renditions = [dict(name=f"w{width}", is_modifier=f"wid={width}&fmt=jpeg&qlt={QUALITY}&printRes={80 + turn}") for width in WIDTHS]
        seconds_taken, _ = service.export(assetFilter={"folder": "set"}, fmt="convert", renditions=renditions)
        label = f"{count} photographs to {', '.join(map(str, WIDTHS))} px JPEG, one job, turn {turn + 1}"
        peer = None if None in peers else sum(peers)
        print_row(label, f"{count / seconds_taken:.1f}/s", f"sharp, three passes {count / peer:.1f}/s" if peer else "sharp: not installed", f"{peer / seconds_taken:.2f}" if peer else "")


def compare_formats(service, work, folder, count):
    """The same job as WebP, and as AVIF with the fastest settings of both."""
    for label, modifier, format, options in [
        ("WebP q80", "fmt=webp&qlt=80", "webp", dict(quality=80)),
        ("AVIF q60", "fmt=avif&qlt=60", "avif", dict(quality=60, effort=0)),
    ]:
        for turn in range(2):
            peer = time_sharp(work, folder, WIDTH, format, **options)
            request = dict(assetFilter={"folder": "set"}, fmt="convert", is_modifier=f"wid={WIDTH}&{modifier}&printRes={90 + turn}")
            seconds_taken, job = service.export(**request)
            sharp_bytes = sum(entry.stat().st_size for entry in os.scandir(f"{work}/sharp")) if peer else 0
            note = f"bytes {job['bytes'] / sharp_bytes:.3f} of sharp's" if peer else ""
            print_row(f"{count} photographs to {WIDTH} px {label}, whole job, turn {turn + 1}", f"{count / seconds_taken:.1f}/s", f"sharp {count / peer:.1f}/s" if peer else "sharp: not installed", f"{peer / seconds_taken:.2f}" if peer else "", note)


def compare_archive(service, work, folder, job):
    """Downloads the archive over HTTP, and concatenates the same files with `cat`; three turns, from the page cache."""
    url, rates = f"{service.url}/export-jobs/{job['jobHandle']}/archive", []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
        fetched = time.perf_counter() - started
        started = time.perf_counter()
        subprocess.run(f"cat {folder}/*.jpg > {work}/cat", shell=True, check=True)
        rates.append((job["bytes"] / 1e6 / fetched, job["bytes"] / 1e6 / (time.perf_counter() - started)))
    ours, cat = numpy.median(rates, 0)
    print_row("archive of the originals over HTTP, median of three", f"{ours:.0f} MB/s", f"cat {cat:.0f} MB/s", f"{ours / cat:.2f}")


def measure_originals(service, work):
    """Jobs of 1,000 and 10,000 originals, from POST to archive ready, and the first byte of the larger archive."""
    folder, times = f"{work}/small", []
    os.makedirs(folder, exist_ok=True)
    for number in range(10_000):
        with open(f"{folder}/{number:05}.txt", "w") as out:
            out.write(f"small original number {number}")
    service.push(folder, "many")
    handles = []
    page = service.call("/assets?folder=many&limit=1000")
    while True:
        handles += [asset["assetHandle"] for asset in page["items"]]
        if not page["nextCursor"]:
            break
        page = service.call(f"/assets?folder=many&limit=1000&cursor={page['nextCursor']}")
    for items in (1_000, 10_000):
        turns = [service.export(assetHandleArray=handles[:items], fmt="orig") for _ in range(3)]
        times.append(float(numpy.median([seconds_taken for seconds_taken, _ in turns])))
        print_row(f"{items:,} originals, from POST to archive ready", f"{times[-1] * 1000:.0f} ms", "", "")
    print_row("ten times the items", f"{times[1] / times[0]:.1f} times the time", "", "")
    started = time.perf_counter()
    answer = urllib.request.urlopen(f"{service.url}/export-jobs/{turns[0][1]['jobHandle']}/archive")
    answer.read(1)
    print_row("first byte of that archive", f"{(time.perf_counter() - started) * 1000:.1f} ms", "", "")
    answer.close()


def compare_upload(service, work):
    """Uploads a file of 1 GiB, compared with hashing it and with writing it durably."""
    file, size, rates = f"{work}/large.bin", 1 << 30, []
    for turn in range(3):
        with open(file, "wb") as out:
            block = os.urandom(1 << 20)
            for number in range(size >> 20):
                out.write(struct.pack(">QQ", turn, number) + block[16:])
        seconds = []
        for words in (["curl", "-sf", "-o", "/dev/null", "-F", f"file=@{file}", f"{service.url}/assets"], ["sha256sum", file], ["dd", f"if={file}", f"of={file}.copy", "bs=1M", "conv=fsync"]):
            started = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            seconds.append(time.perf_counter() - started)
        rates.append([size / 1e6 / it for it in seconds])
    ours, hashed, written = numpy.median(rates, 0)
    slower = min(hashed, written)
    print_row("upload of 1 GiB, median of three", f"{ours:.0f} MB/s", f"sha256sum {hashed:.0f}, dd with fsync {written:.0f} MB/s", f"{ours / slower:.2f}")


def print_row(name, ours, peer, ratio, note=""):
    print(f"| {name} | {ours} | {peer} | {ratio} | {note} |", flush=True)


def main():
    binary, work, count = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int((sys.argv + [200])[3])
    os.makedirs(work, exist_ok=True)
    folder = draw_images(binary, work, count)
    service = Service(binary, work)
    print("| benchmark | ours | peer | ratio | note |\n|---|---|---|---|---|")
    try:
        service.push(folder, "set")
        request = dict(assetFilter={"folder": "set"}, fmt="convert", is_modifier=f"wid={WIDTH}&fmt=jpeg&qlt={QUALITY}")
        peers, first = [], None
        for turn in range(3):
            peer = time_sharp(work, folder)
            # Another resolution makes another recipe, so that nothing is reused; a comment in the modifier would not.
            seconds_taken, job = service.export(**{**request, "is_modifier": request["is_modifier"] + f"&printRes={72 + turn}"})
            first = first or seconds_taken
            peers.append((seconds_taken, peer))
            label = f"{count} photographs to {WIDTH} px JPEG, whole job, turn {turn + 1}"
            print_row(label, f"{count / seconds_taken:.1f}/s", f"sharp {count / peer:.1f}/s" if peer else "sharp: not installed", f"{peer / seconds_taken:.2f}" if peer else "")
        print_row("peak memory, all our processes", f"{service.measure_peak_memory():.0f} MiB", "", "")
        vips_seconds = time_vips(folder, work)
        if vips_seconds:
            print_row("the same, pyvips with 2 threads", f"{count / first:.1f}/s", f"{count / vips_seconds:.1f}/s", f"{vips_seconds / first:.2f}")
        archive = f"{work}/archive.zip"
        urllib.request.urlretrieve(f"{service.url}/export-jobs/{job['jobHandle']}/archive", archive)
        subprocess.run(["python3", "-m", "zipfile", "-e", archive, f"{work}/ours"], check=True)
        if peers[-1][1]:
            our_quality, theirs = compute_quality(folder, f"{work}/ours", f"{work}/sharp")
            print_row("SSIM against a full decode with Lanczos", f"{our_quality:.4f}", f"sharp {theirs:.4f}", "")
        compare_renditions(service, work, folder, count)
        compare_formats(service, work, folder, count)
        repeated, _ = service.export(**{**request, "is_modifier": request["is_modifier"] + "&printRes=72"})
        print_row("the same job again", f"{repeated * 1000:.0f} ms", "the first time", f"{first / repeated:.0f} times faster")
        seconds_taken, job = service.export(assetFilter={"folder": "set"}, fmt="orig")
        compare_archive(service, work, folder, job)
        measure_originals(service, work)
        compare_upload(service, work)
        print_row("peak memory, all our processes, after everything", f"{service.measure_peak_memory():.0f} MiB", "", "")
    finally:
        service.stop()


if __name__ == "__main__":
    main()
