#!/usr/bin/env python3
"""Opens event streams of a running service and measures their cost: memory, processor time, connections to Postgres.

    benches/streams.py http://127.0.0.1:8080 PID [STREAMS] [JOBS]

Needs a service without API keys on this machine (DATABASE_URL for the connections), with OFFPRINT_MAX_STREAMS and
OFFPRINT_MAX_CONNECTIONS_PER_ADDRESS above STREAMS.
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


def read_resident_mib():
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def read_processor_seconds():
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def count_connections():
    url = os.environ.get("DATABASE_URL")
    if not url:
        return "?"
    sql = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    return subprocess.run(["psql", url, "-Atc", sql], capture_output=True, text=True).stdout.strip()


async def read_stream(job, counts):
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


async def wait_until(counts, name, wanted):
    while counts[name] < wanted:
        await asyncio.sleep(0.05)


async def main():
    assets = [upload(f"{number}.txt", b"%d" % number) for number in range(200)]
    request = {"assetHandleArray": assets, "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"}
    handles = [call("POST", "/export-jobs", request)["jobHandle"] for _ in range(jobs)]
    before, counts = read_resident_mib(), {"open": 0, "ended": 0, "events": 0}
    print(f"before: {before:.0f} MiB, {count_connections()} connections")
    started = time.time()
    tasks = [asyncio.create_task(read_stream(handles[number % jobs], counts)) for number in range(streams)]
    await wait_until(counts, "open", streams)
    print(f"{streams} streams of {jobs} jobs opened in {time.time() - started:.1f} s: {read_resident_mib():.0f} MiB, {count_connections()} connections")
    used = read_processor_seconds()
    await asyncio.sleep(20)
    print(f"idle for 20 s: {read_resident_mib():.0f} MiB, {count_connections()} connections, {(read_processor_seconds() - used) / 20:.1%} of a processor")
    started, used = time.time(), read_processor_seconds()
    for handle in handles:
        call("POST", f"/export-jobs/{handle}/run", {})
    await wait_until(counts, "ended", streams)
    seconds = time.time() - started
    print(f"all jobs run and sent in {seconds:.1f} s: {counts['events']} events, {read_resident_mib():.0f} MiB, {count_connections()} connections, {read_processor_seconds() - used:.1f} s of processor")
    await asyncio.gather(*tasks)
    await asyncio.sleep(1)
    print(f"after: {read_resident_mib():.0f} MiB, {count_connections()} connections")


asyncio.run(main())
