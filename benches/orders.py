#!/usr/bin/env python3
"""How soon an order is obeyed: from a job's creation to the claim of its item, and from `stop` to a job that has ended.

    benches/orders.py http://127.0.0.1:8080 [TIMES]

Needs an open service that has nothing else to do. The first time is told by the database alone, in items; the second
by this clock, and is that of the whole request and of asking until the job has ended.
"""
import statistics, struct, sys, time, zlib
from datetime import datetime

from client import Client

service = Client(sys.argv[1])
call, upload = service.call, service.upload
times = int(sys.argv[2]) if len(sys.argv) > 2 else 200


def picture(width, height):
    """A PNG of a ramp."""
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    ramp = bytes(x // 3 & 255 for x in range(3 * width + 768))
    rows = b"".join(b"\0" + ramp[3 * (y & 255) :][: 3 * width] for y in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def order(asset, modifier):
    # Nobody has asked for the same before, else nothing would be rendered.
    unlike = f"{modifier}&bgColor={time.time_ns() & 0xFFFFFF:06x}"
    return call("POST", "/export-jobs", {"assetHandleArray": [asset], "fmt": "convert", "is_modifier": unlike})


def told(name, seconds):
    ordered = sorted(1000 * it for it in seconds)
    at = lambda part: ordered[min(len(ordered) - 1, int(part * len(ordered)))]
    print(f"| {name}, {len(ordered)} times | {statistics.median(ordered):.1f} | {at(0.99):.1f} | {ordered[-1]:.1f} |")


moment = datetime.fromisoformat
small, large = upload("small.png", picture(40, 30)), upload("large.png", picture(6000, 4000))
claims, stops = [], []
for number in range(times):
    job = order(small, f"wid={10 + number}")
    done = call("GET", f"/export-jobs/{job['jobHandle']}?wait=20")
    item = call("GET", f"/export-jobs/{job['jobHandle']}/items")["items"][0]
    claims.append((moment(item["startedAt"]) - moment(done["createdAt"])).total_seconds())
for number in range(times // 10):
    # Seconds of work, of which some tenths are done.
    job = order(large, "scl=1&rotate=10&op_blur=100")["jobHandle"]
    while call("GET", f"/export-jobs/{job}")["state"] == "waiting" or not call("GET", f"/export-jobs/{job}")["counts"]["running"]:
        time.sleep(0.02)
    time.sleep(0.3)
    begun = time.monotonic()
    call("POST", f"/export-jobs/{job}/stop")
    while (state := call("GET", f"/export-jobs/{job}"))["state"] != "finished":
        time.sleep(0.005)
    stops.append(time.monotonic() - begun)
    assert state["counts"]["stopped"] == 1, state["counts"]
print("| what | median, ms | 99 of 100 within, ms | longest, ms |\n|---|---|---|---|")
told("from creation to claim", claims)
told("from stop to the job's end, a render on its way", stops)
