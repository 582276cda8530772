"""Compares single operations with other tools on the same files in one run, and prints a table in Markdown.

usage: operations.py OPERATION_BENCH WORK_FOLDER [TIMES]
OPERATION_BENCH is the program that `cargo bench --bench operation --no-run` builds. Peers: sharp (npm, in
WORK_FOLDER/node), pyvips and Pillow (PyPI); a missing one is skipped. Each tool runs in a process of its own for each
operation, so that memory is comparable; the time is the median inside the process, without its start. The tools take
turns.
"""
import json, os, subprocess, sys

import numpy
from PIL import Image, ImageDraw, ImageFilter

from compare import SIZES, ssim, tile_image

Image.MAX_IMAGE_PIXELS = None

# Name, source, modifier, and the same operation for sharp, pyvips and Pillow; then the width of a plain resize, whose
# result is compared with a reference, or 0.
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
    ("4 MP PNG with alpha to 800 px PNG with alpha", "p4-alpha.png", "wid=800&fmt=png-alpha", ".resize({width:800}).png()", "thumb:800:.png", "thumb:800:png:", 0),
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


def write_sources(work):
    """Writes images of 2, 12 and 24 MP in several formats, made of real photographs where there are any."""
    folder, photos = f"{work}/operations", "../shared/data/photos"
    os.makedirs(folder, exist_ok=True)
    names = [f"{photos}/{name}" for name in ("p24.jpg", "p12.jpg", "p2.jpg")]
    if not all(map(os.path.exists, names)):
        names = [f"{work}/pictures/{number:04}.jpg" for number in range(len(SIZES))][-2:] * 2
    for (width, height), name, source in zip(((6000, 4000), (4000, 3000), (1600, 1250)), ("p24", "p12", "p2"), names):
        image = tile_image(Image.open(source).convert("RGB"), width, height)
        image.save(f"{folder}/{name}.jpg", quality=90, subsampling=2)
        if name == "p2":
            # A cut-out with a soft rim, as of a product.
            cutout = image.resize((2000, 2000), Image.LANCZOS)
            mask = Image.new("L", cutout.size, 0)
            ImageDraw.Draw(mask).ellipse((150, 250, 1850, 1750), fill=255)
            cutout.putalpha(mask.filter(ImageFilter.GaussianBlur(3)))
            cutout.save(f"{folder}/p4-alpha.png")
        if name == "p12":
            image.save(f"{folder}/p12.png")
            image.save(f"{folder}/p12.tif")
            image.save(f"{folder}/p12-lzw.tif", compression="tiff_lzw")
            image.save(f"{folder}/p12.webp", quality=90)
            image.save(f"{folder}/p12-prog.jpg", quality=90, progressive=True, subsampling=2)
    return folder


def run_tool(command, **more):
    process = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **more))
    return json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else None


def list_tools(bench, work, operation):
    """Each tool's name, and a function that runs it this many times and gives its figures."""
    _, name, ours, chain, vips, pillow, _ = operation
    source, output = f"{work}/operations/{name}", f"{work}/operations/out"
    script = f"{work}/node/operation.js"
    yield "ours", lambda times: run_tool([bench, source, ours, f"{output}.ours", times])
    if os.path.isdir(f"{work}/node/node_modules/sharp"):
        open(script, "w").write(SHARP.replace("CHAIN", chain))
        extension = next(word for word in ("jpeg", "webp", "png", "tiff") if f".{word}(" in chain)
        yield "sharp", lambda times: run_tool(["node", script, source, f"{output}.sharp.{extension}", times])
    yield "pyvips", lambda times: run_tool([sys.executable, "-c", PYTHON, "pyvips", source, f"{output}.pyvips", vips, times])
    yield "Pillow", lambda times: run_tool([sys.executable, "-c", PYTHON, "Pillow", source, f"{output}.pillow", pillow, times])


def find_output(work, tool):
    """The file that a tool wrote last."""
    folder = f"{work}/operations"
    names = [name for name in os.listdir(folder) if name.startswith(f"out.{tool.lower()}")]
    return max((f"{folder}/{name}" for name in names), key=os.path.getmtime)


def measure_operation(bench, work, operation, times):
    """For each tool the median time of its turns, the peak memory, the size of the file, and its SSIM to the reference."""
    turns, figures_by_tool = {}, {}
    for _ in range(3):
        for name, run_once in list_tools(bench, work, operation):
            results = run_once(str(times))
            if results:
                turns.setdefault(name, []).append(results)
    for name, results in turns.items():
        path = find_output(work, name)
        figures_by_tool[name] = dict(ms=float(numpy.median([it["ms"] for it in results])), mib=max(it["mib"] for it in results), kb=os.path.getsize(path) / 1000)
        width = operation[-1]
        if width:
            image = Image.open(f"{work}/operations/{operation[1]}").convert("RGB")
            reference = f"{work}/operations/reference.png"
            image.resize((width, round(image.height * width / image.width)), Image.LANCZOS).save(reference)
            figures_by_tool[name]["ssim"] = ssim(reference, path)
    return figures_by_tool


def format_figures(figures):
    if not figures:
        return "–"
    likeness = f", {figures['ssim']:.4f}" if "ssim" in figures else ""
    return f"{figures['ms']:.1f} ms, {figures['mib']:.0f} MiB, {figures['kb']:.0f} kB{likeness}"


def main():
    bench, work, times = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int((sys.argv + [7])[3])
    write_sources(work)
    names = ["ours", "sharp", "pyvips", "Pillow"]
    print(f"| operation | {' | '.join(names)} | ours to the best peer |\n|{'---|' * 6}")
    for operation in OPERATIONS:
        figures_by_tool = measure_operation(bench, work, operation, times)
        peers = [figures_by_tool[name]["ms"] for name in names[1:] if name in figures_by_tool]
        ratio = f"{figures_by_tool['ours']['ms'] / min(peers):.2f}" if peers and "ours" in figures_by_tool else "–"
        print(f"| {operation[0]} | {' | '.join(format_figures(figures_by_tool.get(name)) for name in names)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
