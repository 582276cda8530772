"""What every generated client must be able to do, and how the results are checked.

Each client brings a class with the same methods; `run` calls them and compares what they return with each other: sizes,
checksums, the zip in one piece and in two.
"""

import hashlib, io, struct, time, zipfile, zlib


def draw_png(seed, width=40, height=30):
    """A PNG of its own for each seed."""
    rows = b"".join(
        b"\0" + bytes((x * seed * 7 + y * 3 + channel * 50) % 256 for x in range(width) for channel in range(3))
        for y in range(height)
    )
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def check(condition, what):
    if not condition:
        raise SystemExit(f"WRONG: {what}")


def run(name, client):
    stamp = f"{time.time():.0f}"
    images = [draw_png(seed) for seed in (1, 2, 3)]
    handles = client.upload([(f"{name} {stamp} {index}.png", data) for index, data in enumerate(images)])
    check(len(handles) == 3, f"three assets were uploaded: {handles}")
    # A path with slashes: generated clients encode them.
    client.move(handles[1], "spring/shoes")
    job = client.create_job(handles, "wid=20&fmt=png")
    outcome = client.wait(job)
    check(outcome == "succeeded", f"the job succeeds: {outcome}")
    files = client.list_files(job)
    check(len(files) == 3 and any("/" in path for path, _, _ in files), f"three files, one in a folder: {files}")
    for path, size, sha256 in files:
        data = client.fetch_file(job, path)
        check((len(data), hashlib.sha256(data).hexdigest()) == (size, sha256), f"{path} has the listed bytes")
    whole, etag = client.fetch_archive(job, None, None)
    first, _ = client.fetch_archive(job, "bytes=0-999", None)
    rest, _ = client.fetch_archive(job, "bytes=1000-", etag)
    check(len(first) == 1000 and first + rest == whole, "the archive in two parts is the one in one piece")
    names = zipfile.ZipFile(io.BytesIO(whole)).namelist()
    check(set(path for path, _, _ in files) < set(names), f"the archive has all files: {names}")
    check(client.read_manifest(job) == sorted(path for path, _, _ in files), "the manifest lists all files")
    code = client.ask_for_unknown_job("00000000-0000-7000-8000-00000000dead")
    check(code == "not-found", f"an error has its code: {code}")
    print(f"{name}: uploaded, created, waited, fetched 3 files and the archive, resumed")
