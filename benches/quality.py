"""Compares bytes and likeness of small JPEGs with sharp and oximg on the same photographs, and prints tables in Markdown.

usage: quality.py OFFPRINT_BINARY WORK_FOLDER
Likeness is SSIMULACRA2 (100 is equal) against a full decode that Pillow scales with Lanczos: in display space, 8 bits, and
in linear light, floating point. Bytes are compared at equal likeness: each tool encodes at several qualities, and the
logarithm of its bytes is interpolated at the likeness that sharp has at quality 80. sharp stands in WORK_FOLDER/node,
oximg and ssimulacra2_rs in WORK_FOLDER/tools/bin; a missing peer is left out.
"""
import os, resource, subprocess, sys

import numpy
from PIL import Image

from compare import SIZES, tile_image

Image.MAX_IMAGE_PIXELS = None
WIDTHS, QUALITIES = (500, 800), (66, 72, 76, 80, 84, 88, 92)

SHARP = """
const sharp = require('sharp'), [source, output, width, quality] = process.argv.slice(2);
sharp(source).resize({width: +width}).jpeg({quality: +quality}).toFile(output);
"""


def list_photographs(binary, work):
    """Photographs, or pictures that the project draws where there are none."""
    folder = "../shared/data/photos"
    if not os.path.isdir(folder):
        folder = f"{work}/drawn"
        subprocess.run([binary, "admin", "draw-samples", folder], check=True, stdout=subprocess.DEVNULL)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".jpg") and "cmyk" not in name)
    photographs, target = [], f"{work}/quality"
    os.makedirs(target, exist_ok=True)
    for index, name in enumerate(names[:6]):
        # Small ones are tiled, so that each is made much smaller.
        image, size = Image.open(f"{folder}/{name}").convert("RGB"), SIZES[4 + index % 4]
        path = f"{target}/source-{index}.jpg"
        (image if image.width >= 3000 else tile_image(image, *size)).save(path, quality=92, subsampling=2)
        photographs.append(path)
    return photographs


def to_light(values):
    return numpy.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_display(light):
    light = numpy.clip(light, 0, 1)
    return numpy.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def write_references(source, width, work):
    """The paths of the references in display space and in linear light."""
    image = Image.open(source).convert("RGB")
    size = (width, round(image.height * width / image.width))
    display, linear = f"{work}/quality/display.png", f"{work}/quality/linear.png"
    image.resize(size, Image.LANCZOS).save(display)
    channels = []
    for channel in image.split():
        light = Image.fromarray(to_light(numpy.asarray(channel, numpy.float32) / 255).astype(numpy.float32))
        channels.append(to_display(numpy.asarray(light.resize(size, Image.LANCZOS))))
    Image.fromarray(numpy.round(numpy.stack(channels, -1) * 255).astype(numpy.uint8)).save(linear)
    return display, linear


def list_tools(binary, work):
    """Names, and functions that give the command for a source, output, width and quality."""
    def render(*attributes):
        def build(source, output, width, quality):
            return [binary, "render", "--source", source, "--output", output, "--modifier", f"wid={width}&fmt=jpeg&qlt={quality}", *attributes]
        return build

    tools = {"ours": render(), "ours, small": render("--attribute", "JpegEffort=small"), "ours, linear": render("--attribute", "ResampleSpace=linear")}
    if os.path.isdir(f"{work}/node/node_modules/sharp"):
        open(f"{work}/node/quality.js", "w").write(SHARP)
        tools["sharp"] = lambda *words: ["node", f"{work}/node/quality.js", *map(str, words)]
    if os.path.exists(f"{work}/tools/bin/oximg"):
        tools["oximg"] = lambda source, output, width, quality: [f"{work}/tools/bin/oximg", "resize", source, str(width), "0", output, "-q", str(quality)]
    return tools


def measure_likeness(work, reference, result):
    command = [f"{work}/tools/bin/ssimulacra2_rs", "image", reference, result]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # "Score: 81.23"
    return float(output.split()[-1])


def measure_tool(work, build, source, width, references):
    """By quality: bytes, and likeness to each reference."""
    figures = {}
    for quality in QUALITIES:
        output = f"{work}/quality/out.jpg"
        subprocess.run(build(source, output, width, quality), check=True, capture_output=True)
        decoded = f"{work}/quality/out.png"
        Image.open(output).convert("RGB").save(decoded)
        figures[quality] = (os.path.getsize(output), *(measure_likeness(work, reference, decoded) for reference in references))
    return figures


def interpolate_bytes(figures, likeness, reference):
    """The bytes with which a tool reaches a likeness; past the ends of what was measured, the line goes on."""
    # In the order of qualities: likeness may stand still for a step, but then its bytes count once.
    points = {}
    for quality in sorted(figures):
        points.setdefault(figures[quality][1 + reference], numpy.log(figures[quality][0]))
    scores, sizes = zip(*sorted(points.items()))
    after = min(max(int(numpy.searchsorted(scores, likeness)), 1), len(scores) - 1)
    slope = (sizes[after] - sizes[after - 1]) / (scores[after] - scores[after - 1])
    return float(numpy.exp(sizes[after - 1] + slope * (likeness - scores[after - 1])))


def measure_seconds(command):
    """Processor seconds of a command, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    binary, work = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    photographs, tools = list_photographs(binary, work), list_tools(binary, work)
    scores, sizes, seconds = ({name: [] for name in tools} for _ in range(3))
    at_sharp = {name: [] for name in tools}
    for source in photographs:
        for width in WIDTHS:
            references = write_references(source, width, work)
            figures = {name: measure_tool(work, build, source, width, references) for name, build in tools.items()}
            for name, rows in figures.items():
                sizes[name].append(rows[80][0])
                scores[name].append(rows[80][1:])
                if "sharp" in figures:
                    at_sharp[name].append(interpolate_bytes(rows, figures["sharp"][80][1], 0) / figures["sharp"][80][0])
        for _ in range(5):
            for name, build in tools.items():
                seconds[name].append(measure_seconds(build(source, f"{work}/quality/out.jpg", 800, 80)))
    print(f"{len(photographs)} photographs, {' and '.join(map(str, WIDTHS))} px, quality 80\n")
    print("| tool | bytes | SSIMULACRA2, display | SSIMULACRA2, linear | bytes at sharp's likeness | processor time of the whole command, 800 px |")
    print("|---|---|---|---|---|---|")
    for name in tools:
        display, linear = numpy.mean(scores[name], 0)
        ratio = f"{numpy.exp(numpy.mean(numpy.log(at_sharp[name]))):.3f}" if at_sharp[name] else "–"
        print(f"| {name} | {numpy.mean(sizes[name]) / 1000:.1f} kB | {display:.1f} | {linear:.1f} | {ratio} | {numpy.median(seconds[name]) * 1000:.0f} ms |")
    if "oximg" in tools:
        ours, theirs = (numpy.mean(scores[name], 0)[1] for name in ("ours, linear", "oximg"))
        # Pairs of the same source, taken one after the other.
        ratios = numpy.divide(seconds["ours, linear"], seconds["oximg"])
        print(f"\nIn linear light: {ours - theirs:+.1f} of oximg's likeness, {numpy.median(ratios):.2f} of its processor time.")


if __name__ == "__main__":
    main()
