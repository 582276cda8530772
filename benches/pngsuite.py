#!/usr/bin/env python3
"""Renders every picture of PngSuite and compares it with what Pillow decodes; files named x… must be refused.

usage: benches/pngsuite.py OFFPRINT_BINARY FOLDER
needs: Pillow, numpy. FOLDER is PngSuite unpacked (http://www.schaik.com/pngsuite). Colours that nobody sees do not
count. Prints a line for each difference; exit 1 when there is one.
"""
import pathlib, subprocess, sys, tempfile

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    sys.exit(f"skipped: {missing}")


def expected(path):
    """RGBA as floating point, from 0 to 255."""
    picture = Image.open(path)
    key = picture.info.get("transparency")
    if picture.mode.startswith("I"):
        gray = np.asarray(picture).astype(float)
        alpha = np.where(gray == key, 0.0, 255.0) if key is not None else np.full(gray.shape, 255.0)
        return np.dstack([np.round(gray / 257)] * 3 + [alpha])
    if picture.mode == "L" and key is not None:
        # Pillow spreads gray of few bits over 255 levels, but not the transparent one among them.
        levels = 2 ** path.read_bytes()[24] - 1
        picture.info["transparency"] = key * 255 // levels
    return np.asarray(picture.convert("RGBA")).astype(float)


def main(binary, folder):
    bad = 0
    files = sorted(pathlib.Path(folder).glob("*.png"))
    with tempfile.TemporaryDirectory() as room:
        made = pathlib.Path(room, "made.png")
        for path in files:
            ran = subprocess.run(
                [binary, "render", "--source", path, "--modifier", "fmt=png-alpha", "--output", made],
                capture_output=True, text=True)
            if path.name.startswith("x"):
                wrong = "is not refused" if ran.returncode == 0 else None
            elif ran.returncode:
                wrong = ran.stderr.strip()
            else:
                wanted, found = expected(path), np.asarray(Image.open(made).convert("RGBA")).astype(float)
                apart = np.abs(wanted - found)
                apart[wanted[..., 3] == 0, :3] = 0
                wrong = f"differs by {apart.max():.0f}" if apart.max() > 1 else None
            if wrong:
                bad += 1
                print(f"{path.name}: {wrong}")
    print(f"{len(files)} files, {bad} wrong")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
