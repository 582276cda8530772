"""Compares the output of `offprint render` with Pillow (littlecms) and pyvips, pixel by pixel, on lossless output.

usage: colours.py OFFPRINT_BINARY [IMAGES [PROFILES]]
Prints a Markdown table of mean differences in steps of 255. Targets: under 1.5 for plain resizes, under 2 for conversions
of the same intent. Exits with 1 when a target is missed. A missing tool or folder is skipped with a message.
"""
import os, subprocess, sys, tempfile

try:
    import numpy
    from PIL import Image, ImageCms
except ImportError as missing:
    sys.exit(print(f"{missing.name} is not installed: nothing was compared."))
try:
    import pyvips
except (ImportError, OSError):
    pyvips = None
    print("pyvips is not installed: it was skipped.")

Image.MAX_IMAGE_PIXELS = None
binary = sys.argv[1]
images = sys.argv[2] if len(sys.argv) > 2 else "../shared/data/photos"
profiles = sys.argv[3] if len(sys.argv) > 3 else "../shared/data/icc"
RELATIVE, COMPENSATED = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
missed_targets = 0


def render(source, modifier):
    with tempfile.NamedTemporaryFile(suffix=".png") as out:
        subprocess.run([binary, "render", "--source", source, "--modifier", modifier, "--output", out.name], check=True, stdout=subprocess.DEVNULL)
        return Image.open(out.name).convert("RGB").copy()


def print_comparison(what, peer, ours, theirs, target):
    global missed_targets
    mean = numpy.abs(numpy.asarray(ours, float) - numpy.asarray(theirs, float)).mean()
    missed_targets += mean >= target
    print(f"| {what} | {peer} | {mean:.3f} | {target} |")


if not os.path.isdir(images):
    sys.exit(print(f"{images} does not exist: nothing was compared."))
print("| what | peer | mean difference | target |\n|---|---|---|---|")
names = [name for name in sorted(os.listdir(images)) if name.endswith(".jpg") and "cmyk" not in name]
for name in names:
    path = f"{images}/{name}"
    whole = Image.open(path).convert("RGB")
    # A width that the decoder cannot shrink to, so that both tools resample the whole image.
    width = whole.width * 3 // 4
    ours = render(path, f"wid={width}&fmt=png")
    print_comparison(f"{name} to {width} px", "Pillow", ours, whole.resize(ours.size, Image.LANCZOS), 1.5)
    if pyvips:
        vips = pyvips.Image.new_from_file(path).resize(ours.width / whole.width, vscale=ours.height / whole.height, kernel="lanczos3")
        print_comparison(f"{name} to {width} px", "pyvips", ours, vips.numpy()[: ours.height, : ours.width, :3], 1.5)

srgb = ImageCms.createProfile("sRGB")
cmyk = f"{images}/p12_cmyk.jpg"
if os.path.isfile(cmyk):
    print_comparison("p12_cmyk.jpg, no profile", "Pillow", render(cmyk, "scl=1&fmt=png"), Image.open(cmyk).convert("RGB"), 2)
for name in sorted(os.listdir(profiles)) if os.path.isdir(profiles) else []:
    bytes_ = open(f"{profiles}/{name}", "rb").read() if name.endswith(".icc") else b""
    mode = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}.get(bytes_[16:20])
    if mode is None or not names:
        continue
    small = Image.open(f"{images}/{names[0]}").convert("RGB").resize((800, 600)).convert(mode)
    with tempfile.NamedTemporaryFile(suffix=".tif") as tagged:
        small.save(tagged.name, icc_profile=bytes_)
        ours = render(tagged.name, "icc=sRGB,relative,1&fmt=png")
    profile = ImageCms.ImageCmsProfile(f"{profiles}/{name}")
    theirs = ImageCms.profileToProfile(small, profile, srgb, RELATIVE, "RGB", flags=COMPENSATED)
    print_comparison(f"{name} → sRGB", "Pillow", ours, theirs, 2)
sys.exit(int(missed_targets > 0))
