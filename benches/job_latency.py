#!/usr/bin/env python3
"""Measures latencies of jobs: from creation to the claim of the item, and from `stop` to the end of the job.

    benches/job_latency.py http://127.0.0.1:8080 [TIMES]

Needs a service without API keys that has nothing else to do. The first latency is computed from times of the database;
the second is measured here, with the request and with polling until the job has ended.
"""
import statistics, struct, sys, time, zlib
from datetime import datetime

from client import Client

service = Client(sys.argv[1])
call, upload = service.call, service.upload
times = int(sys.argv[2]) if len(sys.argv) > 2 else 200


def draw_png(width, height):
    """A PNG of a gradient."""
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    ramp = bytes(x // 3 & 255 for x in range(3 * width + 768))
    rows = b"".join(b"\0" + ramp[3 * (y & 255) :][: 3 * width] for y in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def create_job(asset, modifier):
    # A modifier that was never used before, or the rendition would be reused.
    unique = f"{modifier}&bgColor={time.time_ns() & 0xFFFFFF:06x}"
    return call("POST", "/export-jobs", {"assetHandleArray": [asset], "fmt": "convert", "is_modifier": unique})


def print_row(name, seconds):
    millis = sorted(1000 * it for it in seconds)
    at = lambda part: millis[min(len(millis) - 1, int(part * len(millis)))]
    print(f"| {name}, {len(millis)} times | {statistics.median(millis):.1f} | {at(0.99):.1f} | {millis[-1]:.1f} |")


parse_time = datetime.fromisoformat
small, large = upload("small.png", draw_png(40, 30)), upload("large.png", draw_png(6000, 4000))
claims, stops = [], []
for number in range(times):
    job = create_job(small, f"wid={10 + number}")
    finished = call("GET", f"/export-jobs/{job['jobHandle']}?wait=20")
    item = call("GET", f"/export-jobs/{job['jobHandle']}/items")["items"][0]
    claims.append((parse_time(item["startedAt"]) - parse_time(finished["createdAt"])).total_seconds())
for number in range(times // 10):
    # A render of several seconds, stopped after some tenths.
    job = create_job(large, "scl=1&rotate=10&op_blur=100")["jobHandle"]
    while call("GET", f"/export-jobs/{job}")["state"] == "waiting" or not call("GET", f"/export-jobs/{job}")["counts"]["running"]:
        time.sleep(0.02)
    time.sleep(0.3)
    started = time.monotonic()
    call("POST", f"/export-jobs/{job}/stop")
    while (state := call("GET", f"/export-jobs/{job}"))["state"] != "finished":
        time.sleep(0.005)
    stops.append(time.monotonic() - started)
    assert state["counts"]["stopped"] == 1, state["counts"]
print("| latency | median, ms | 99 of 100 within, ms | longest, ms |\n|---|---|---|---|")
print_row("from creation to claim", claims)
print_row("from stop to the job's end, a render on its way", stops)
