"""Holds single operations beside other tools on the same files in one run, and prints a table in Markdown.

usage: operations.py OPERATION_BENCH WORK_FOLDER [TIMES]
OPERATION_BENCH is the program that `cargo bench --bench operation --no-run` builds. Peers: sharp (npm, in
WORK_FOLDER/node), pyvips and Pillow (PyPI); one that is not there is left out. Each tool runs in a process of its own
for each operation, so that memory is comparable; the time is the median inside of it, without starting up. Turns of all
tools alternate.
"""
import json, os, subprocess, sys

import numpy
from PIL import Image

from compare import SIZES, ssim, tiled

Image.MAX_IMAGE_PIXELS = None

# Name, source, ours, sharp, pyvips, Pillow, and what the result is compared with: the width of a plain resize, or nothing.
OPERATIONS = [
    ("24 MP JPEG to 800 px JPEG q85", "p24.jpg", "wid=800&fmt=jpeg&qlt=85", ".resize({width:800}).jpeg({quality:85})", "thumb:800:.jpg[Q=85]", "thumb:800:jpg:quality=85", 800),
    ("12 MP JPEG to 800 px JPEG q85", "p12.jpg", "wid=800&fmt=jpeg&qlt=85", ".resize({width:800}).jpeg({quality:85})", "thumb:800:.jpg[Q=85]", "thumb:800:jpg:quality=85", 800),
    ("2 MP JPEG to 800 px JPEG q85", "p2.jpg", "wid=800&fmt=jpeg&qlt=85", ".resize({width:800}).jpeg({quality:85})", "thumb:800:.jpg[Q=85]", "thumb:800:jpg:quality=85", 800),
    ("24 MP JPEG to 800 px WebP q80", "p24.jpg", "wid=800&fmt=webp&qlt=80", ".resize({width:800}).webp({quality:80})", "thumb:800:.webp[Q=80]", "thumb:800:webp:quality=80", 800),
    ("24 MP JPEG to 800 px PNG", "p24.jpg", "wid=800&fmt=png", ".resize({width:800}).png()", "thumb:800:.png", "thumb:800:png:", 800),
    ("24 MP JPEG to 24 MP TIFF, LZW", "p24.jpg", "scl=1&fmt=tif,rgb,lzw", ".tiff({compression:'lzw',predictor:'horizontal'})", "copy:.tif[compression=lzw,predictor=horizontal]", "copy:tif:compression=tiff_lzw", 0),
    ("24 MP JPEG to 24 MP TIFF, deflate", "p24.jpg", "scl=1&fmt=tif,rgb,zip", ".tiff({compression:'deflate',predictor:'horizontal'})", "copy:.tif[compression=deflate,predictor=horizontal]", "copy:tif:compression=tiff_adobe_deflate", 0),
    ("24 MP JPEG to 24 MP JPEG q85", "p24.jpg", "scl=1&fmt=jpeg&qlt=85", ".jpeg({quality:85})", "copy:.jpg[Q=85]", "copy:jpg:quality=85", 0),
    ("12 MP PNG to 12 MP JPEG q85", "p12.png", "scl=1&fmt=jpeg&qlt=85", ".jpeg({quality:85})", "copy:.jpg[Q=85]", "copy:jpg:quality=85", 0),
    ("12 MP PNG to 800 px JPEG q85", "p12.png", "wid=800&fmt=jpeg&qlt=85", ".resize({width:800}).jpeg({quality:85})", "thumb:800:.jpg[Q=85]", "thumb:800:jpg:quality=85", 800),
    ("12 MP TIFF to 12 MP JPEG q85", "p12.tif", "scl=1&fmt=jpeg&qlt=85", ".jpeg({quality:85})", "copy:.jpg[Q=85]", "copy:jpg:quality=85", 0),
    ("12 MP TIFF, LZW, to 12 MP JPEG q85", "p12-lzw.tif", "scl=1&fmt=jpeg&qlt=85", ".jpeg({quality:85})", "copy:.jpg[Q=85]", "copy:jpg:quality=85", 0),
    ("12 MP WebP to 800 px JPEG q85", "p12.webp", "wid=800&fmt=jpeg&qlt=85", ".resize({width:800}).jpeg({quality:85})", "thumb:800:.jpg[Q=85]", "thumb:800:jpg:quality=85", 800),
    ("12 MP progressive JPEG to 800 px JPEG q85", "p12-prog.jpg", "wid=800&fmt=jpeg&qlt=85", ".resize({width:800}).jpeg({quality:85})", "thumb:800:.jpg[Q=85]", "thumb:800:jpg:quality=85", 800),
]

SHARP = """
const sharp = require('sharp'), [source, output, times] = process.argv.slice(2);
sharp.cache(false); if (process.env.ONE) sharp.concurrency(1);
(async () => {
  const taken = [];
  for (let turn = 0; turn < +times; turn++) {
    const begun = process.hrtime.bigint();
    await sharp(source)CHAIN.toFile(output);
    taken.push(Number(process.hrtime.bigint() - begun) / 1e6);
  }
  taken.sort((a, b) => a - b);
  console.log(JSON.stringify({ms: taken[taken.length >> 1], mib: +/VmHWM:\s+(\d+)/.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1] / 1024}));
})();
"""

# Run as a process of its own: TOOL SOURCE OUTPUT WHAT TIMES.
PYTHON = """
import json, re, sys, time
tool, source, output, what, times = sys.argv[1:]
if tool == "pyvips":
    import pyvips
    pyvips.cache_set_max(0)
    def once():
        kind, *rest = what.split(":")
        if kind == "thumb":
            return pyvips.Image.thumbnail(source, int(rest[0])).write_to_file(output + rest[1])
        pyvips.Image.new_from_file(source, access="sequential").write_to_file(output + rest[0])
else:
    from PIL import Image
    Image.MAX_IMAGE_PIXELS = None
    def once():
        kind, *rest = what.split(":")
        picture = Image.open(source)
        if kind == "thumb":
            width = int(rest.pop(0))
            size = (width, round(picture.height * width / picture.width))
            picture.draft("RGB", (size[0] * 2, size[1] * 2))
            picture = picture.resize(size, Image.LANCZOS)
        extension, options = rest
        words = dict(word.split("=") for word in options.split(",") if word)
        picture.save(f"{output}.{extension}", **{name: int(value) if value.isdigit() else value for name, value in words.items()})
taken = []
for turn in range(int(times)):
    begun = time.perf_counter()
    once()
    taken.append((time.perf_counter() - begun) * 1e3)
print(json.dumps(dict(ms=sorted(taken)[len(taken) // 2], mib=int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024)))
"""


def sources(work):
    """Pictures of 2, 12 and 24 MP in the formats that are read, made of real photographs where there are any."""
    folder, photos = f"{work}/operations", "../shared/data/photos"
    os.makedirs(folder, exist_ok=True)
    names = [f"{photos}/{name}" for name in ("p24.jpg", "p12.jpg", "p2.jpg")]
    if not all(map(os.path.exists, names)):
        names = [f"{work}/pictures/{number:04}.jpg" for number in range(len(SIZES))][-2:] * 2
    for (width, height), name, source in zip(((6000, 4000), (4000, 3000), (1600, 1250)), ("p24", "p12", "p2"), names):
        picture = tiled(Image.open(source).convert("RGB"), width, height)
        picture.save(f"{folder}/{name}.jpg", quality=90, subsampling=2)
        if name == "p12":
            picture.save(f"{folder}/p12.png")
            picture.save(f"{folder}/p12.tif")
            picture.save(f"{folder}/p12-lzw.tif", compression="tiff_lzw")
            picture.save(f"{folder}/p12.webp", quality=90)
            picture.save(f"{folder}/p12-prog.jpg", quality=90, progressive=True, subsampling=2)
    return folder


def run(words, **more):
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ, **more))
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def tools(bench, work, operation):
    """Each tool's name, the words that run it and the file that it makes."""
    _, name, ours, chain, vips, pillow, _ = operation
    source, output = f"{work}/operations/{name}", f"{work}/operations/out"
    script = f"{work}/node/operation.js"
    yield "ours", lambda times: run([bench, source, ours, f"{output}.ours", times])
    if os.path.isdir(f"{work}/node/node_modules/sharp"):
        open(script, "w").write(SHARP.replace("CHAIN", chain))
        extension = next(word for word in ("jpeg", "webp", "png", "tiff") if f".{word}(" in chain)
        yield "sharp", lambda times: run(["node", script, source, f"{output}.sharp.{extension}", times])
    yield "pyvips", lambda times: run([sys.executable, "-c", PYTHON, "pyvips", source, f"{output}.pyvips", vips, times])
    yield "Pillow", lambda times: run([sys.executable, "-c", PYTHON, "Pillow", source, f"{output}.pillow", pillow, times])


def made(work, tool):
    """The file that a tool has made last."""
    folder = f"{work}/operations"
    names = [name for name in os.listdir(folder) if name.startswith(f"out.{tool.lower()}")]
    return max((f"{folder}/{name}" for name in names), key=os.path.getmtime)


def measured(bench, work, operation, times):
    """For each tool the median of its turns, the peak memory, the size of the file and its likeness to the reference."""
    turns, found = {}, {}
    for _ in range(3):
        for name, once in tools(bench, work, operation):
            said = once(str(times))
            if said:
                turns.setdefault(name, []).append(said)
    for name, said in turns.items():
        path = made(work, name)
        found[name] = dict(ms=float(numpy.median([it["ms"] for it in said])), mib=max(it["mib"] for it in said), kb=os.path.getsize(path) / 1000)
        width = operation[-1]
        if width:
            picture = Image.open(f"{work}/operations/{operation[1]}").convert("RGB")
            reference = f"{work}/operations/reference.png"
            picture.resize((width, round(picture.height * width / picture.width)), Image.LANCZOS).save(reference)
            found[name]["ssim"] = ssim(reference, path)
    return found


def told(figures):
    if not figures:
        return "–"
    likeness = f", {figures['ssim']:.4f}" if "ssim" in figures else ""
    return f"{figures['ms']:.1f} ms, {figures['mib']:.0f} MiB, {figures['kb']:.0f} kB{likeness}"


def main():
    bench, work, times = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int((sys.argv + [7])[3])
    sources(work)
    names = ["ours", "sharp", "pyvips", "Pillow"]
    print(f"| operation | {' | '.join(names)} | ours to the best peer |\n|{'---|' * 6}")
    for operation in OPERATIONS:
        found = measured(bench, work, operation, times)
        peers = [found[name]["ms"] for name in names[1:] if name in found]
        ratio = f"{found['ours']['ms'] / min(peers):.2f}" if peers and "ours" in found else "–"
        print(f"| {operation[0]} | {' | '.join(told(found.get(name)) for name in names)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
