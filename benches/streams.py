#!/usr/bin/env python3
"""Opens live streams of a running service and tells what they cost: memory of the process, connections to Postgres.

    benches/streams.py http://127.0.0.1:8080 PID [STREAMS] [JOBS]

Needs an open service on this machine (DATABASE_URL for the connections), with OFFPRINT_MAX_STREAMS above STREAMS.
"""
import asyncio, os, subprocess, sys, time
from urllib.parse import urlsplit

from client import Client

base, pid = sys.argv[1], int(sys.argv[2])
streams = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
jobs = int(sys.argv[4]) if len(sys.argv) > 4 else 100
host, port = urlsplit(base).hostname, urlsplit(base).port
service = Client(base)
call, upload = service.call, service.upload


def resident():
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def processor():
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections():
    url = os.environ.get("DATABASE_URL")
    if not url:
        return "?"
    sql = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    return subprocess.run(["psql", url, "-Atc", sql], capture_output=True, text=True).stdout.strip()


async def stream(job, counts):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /export-jobs/{job}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n".encode())
    opened = False
    while line := await reader.readline():
        if not opened and b"event: snapshot" in line:
            opened = True
            counts["open"] += 1
        counts["events"] += line.startswith(b"event: event")
        if line.strip() == b"0":
            break
    counts["ended"] += 1
    writer.close()


async def until(counts, name, wanted):
    while counts[name] < wanted:
        await asyncio.sleep(0.05)


async def main():
    assets = [upload(f"{number}.txt", b"%d" % number) for number in range(200)]
    later = {"assetHandleArray": assets, "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"}
    handles = [call("POST", "/export-jobs", later)["jobHandle"] for _ in range(jobs)]
    before, counts = resident(), {"open": 0, "ended": 0, "events": 0}
    print(f"before: {before:.0f} MiB, {connections()} connections")
    begun = time.time()
    tasks = [asyncio.create_task(stream(handles[number % jobs], counts)) for number in range(streams)]
    await until(counts, "open", streams)
    print(f"{streams} streams of {jobs} jobs opened in {time.time() - begun:.1f} s: {resident():.0f} MiB, {connections()} connections")
    used = processor()
    await asyncio.sleep(20)
    print(f"silent for 20 s: {resident():.0f} MiB, {connections()} connections, {(processor() - used) / 20:.1%} of a processor")
    begun, used = time.time(), processor()
    for handle in handles:
        call("POST", f"/export-jobs/{handle}/run", {})
    await until(counts, "ended", streams)
    took = time.time() - begun
    print(f"all jobs run and told in {took:.1f} s: {counts['events']} events, {resident():.0f} MiB, {connections()} connections, {processor() - used:.1f} s of processor")
    await asyncio.gather(*tasks)
    await asyncio.sleep(1)
    print(f"after: {resident():.0f} MiB, {connections()} connections")


asyncio.run(main())
