#!/usr/bin/env python3
"""Renders every image of PngSuite and compares it with what Pillow decodes; files named x… must be refused.

usage: benches/pngsuite.py OFFPRINT_BINARY FOLDER
needs: Pillow, numpy. FOLDER is PngSuite unpacked (http://www.schaik.com/pngsuite). Colours of transparent
pixels are ignored. Prints a line for each difference; exits with 1 when there is one.
"""
import pathlib, subprocess, sys, tempfile

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    sys.exit(f"skipped: {missing}")


def decode_expected(path):
    """RGBA as floating point, from 0 to 255."""
    image = Image.open(path)
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        gray = np.asarray(image).astype(float)
        alpha = np.where(gray == key, 0.0, 255.0) if key is not None else np.full(gray.shape, 255.0)
        return np.dstack([np.round(gray / 257)] * 3 + [alpha])
    if image.mode == "L" and key is not None:
        # Pillow scales gray of fewer than 8 bits to 255 levels, but not the transparent level.
        levels = 2 ** path.read_bytes()[24] - 1
        image.info["transparency"] = key * 255 // levels
    return np.asarray(image.convert("RGBA")).astype(float)


def main(binary, folder):
    mismatches = 0
    files = sorted(pathlib.Path(folder).glob("*.png"))
    with tempfile.TemporaryDirectory() as folder_name:
        output = pathlib.Path(folder_name, "made.png")
        for path in files:
            process = subprocess.run(
                [binary, "render", "--source", path, "--modifier", "fmt=png-alpha", "--output", output],
                capture_output=True, text=True)
            if path.name.startswith("x"):
                mismatch = "is not refused" if process.returncode == 0 else None
            elif process.returncode:
                mismatch = process.stderr.strip()
            else:
                expected, actual = decode_expected(path), np.asarray(Image.open(output).convert("RGBA")).astype(float)
                difference = np.abs(expected - actual)
                difference[expected[..., 3] == 0, :3] = 0
                mismatch = f"differs by {difference.max():.0f}" if difference.max() > 1 else None
            if mismatch:
                mismatches += 1
                print(f"{path.name}: {mismatch}")
    print(f"{len(files)} files, {mismatches} differ")
    return 1 if mismatches or not files else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
