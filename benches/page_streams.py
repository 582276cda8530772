#!/usr/bin/env python3
"""Compares a thousand open pages of a link, and a thousand open lists of jobs in the console, with a thousand event streams of
the API: the streams that they hold open while one job runs. Memory, processor time and transactions of the database, beside the
same job without anybody who watches. The page of a job in the console has an event stream of the API open.

    offprint test-postgres benches/page_streams.py OFFPRINT [STREAMS] [SECONDS]

Starts the binary OFFPRINT with a data folder of its own, on the database DATABASE_URL, which `test-postgres` provides. All
pages show the same link, as after a mail to many, and all consoles the same list.
"""
import asyncio, html, os, re, resource, struct, subprocess, sys, tempfile, time, urllib.request, zlib

from client import Client

offprint = sys.argv[1]
streams = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 20
host, port = "127.0.0.1", 8097
# More than can be rendered while it is measured.
ITEMS, RENDITIONS = 500, 8
# Streams that are opened at the same time: people do not come all at once, and memory that was needed for a moment stays.
OPENED_AT_ONCE = 20


def draw_png(number):
    """A small picture of 300 by 225 pixels with a slope, so that items end often."""
    rows = b"".join(b"\0" + bytes((x * y // 97 + number) & 255 for x in range(300)) * 3 for y in range(225))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", 300, 225, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


class Service:
    """A running service, and what it uses."""

    def __init__(self, folder):
        settings = {
            "OFFPRINT_BIND": f"{host}:{port}", "OFFPRINT_DATA_DIR": folder, "OFFPRINT_SLOTS": "1",
            "OFFPRINT_MAX_STREAMS": "0", "OFFPRINT_MAX_ALL_STREAMS": "0", "OFFPRINT_MAX_CONNECTIONS_PER_ADDRESS": "0",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OFFPRINT_")}
        self.log = open(os.path.join(folder, "service.log"), "w")
        self.process = subprocess.Popen([offprint, "serve"], env=environment | settings, stderr=self.log)
        for _ in range(600):
            try:
                return urllib.request.urlopen(f"http://{host}:{port}/health/ready").close()
            except OSError:
                time.sleep(0.1)
        sys.exit(f"The service did not start: see {self.log.name}")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def processor_seconds(self):
        """Without the render processes."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def query(sql):
    return int(subprocess.run(["psql", os.environ["DATABASE_URL"], "-Atc", sql], capture_output=True, text=True, check=True).stdout)


def count_transactions():
    # Idle backends report what they did within ten seconds.
    time.sleep(11)
    return query("select xact_commit + xact_rollback from pg_stat_database where datname = current_database()")


def count_connections():
    return query("select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")


async def read_stream(path, counts):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\naccept-language: en\r\n\r\n".encode())
    is_open = False
    while line := await reader.readline():
        if not is_open and line.startswith(b"event: "):
            is_open = True
            counts["open"] += 1
        counts["frames"] += line.startswith(b"event: ")
        counts["bytes"] += len(line)
        if line.strip() == b"0":
            break
    writer.close()


async def measure(turn, name, assets, write_path):
    """One job, watched by so many streams; what that costs."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(folder)
        try:
            client = Client(f"http://{host}:{port}")
            handles = [client.upload(f"{number}.png", image) for number, image in enumerate(assets)]
            # Other sizes each time, so that nothing is in the cache.
            renditions = [{"name": f"r{number}", "is_modifier": f"wid={100 + RENDITIONS * turn + number}&fmt=png"} for number in range(RENDITIONS)]
            request = {"assetHandleArray": handles, "fmt": "convert", "renditions": renditions, "execTime": "2099-01-01T00:00:00Z"}
            job = client.call("POST", "/export-jobs", request)["jobHandle"]
            before, counts = service.resident_mib(), {"open": 0, "frames": 0, "bytes": 0}
            path = write_path and write_path(client, job)
            tasks = []
            while path and counts["open"] < streams:
                missing = min(OPENED_AT_ONCE - (len(tasks) - counts["open"]), streams - len(tasks))
                tasks += [asyncio.create_task(read_stream(path, counts)) for _ in range(missing)]
                await asyncio.sleep(0.005)
            results = {}
            for phase in ("idle", "running"):
                transactions = await asyncio.to_thread(count_transactions)
                if phase == "running":
                    client.call("POST", f"/export-jobs/{job}/run", {})
                    await asyncio.sleep(2)
                used, frames, started = service.processor_seconds(), counts["frames"], time.time()
                await asyncio.sleep(seconds)
                used, frames, lasted = service.processor_seconds() - used, counts["frames"] - frames, time.time() - started
                connections = count_connections()
                transactions = await asyncio.to_thread(count_transactions) - transactions
                results[phase] = (used / lasted * seconds, transactions)
                print(f"{name:13} {phase:8} {used:6.2f} s of processor in {lasted:.0f} s, {transactions:6} transactions, {connections:3} connections, {frames:6} frames")
            state = client.call("GET", f"/export-jobs/{job}")["state"]
            memory = service.resident_mib() - before
            print(f"{name:13} memory   {memory:6.1f} MiB more; the job is {state}")
            # The next service has the same database, and none of these bytes.
            if state != "finished":
                client.call("POST", f"/export-jobs/{job}/stop", {})
            while client.call("GET", f"/export-jobs/{job}")["state"] != "finished":
                await asyncio.sleep(0.2)
            for task in tasks:
                task.cancel()
            return memory, results
        finally:
            service.stop()


async def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    assets = [draw_png(number) for number in range(ITEMS)]
    def write_link_path(client, job):
        return client.call("POST", f"/export-jobs/{job}/links", {})["url"].split(f":{port}", 1)[1] + "/events"
    def find_list_path(client, job):
        with urllib.request.urlopen(f"{client.base}/console/jobs") as page:
            return html.unescape(re.search('data-progress="([^"]+)"', page.read().decode()).group(1))
    nobody = await measure(0, "nobody", assets, None)
    events = await measure(1, "event streams", assets, lambda _, job: f"/export-jobs/{job}/events")
    links = await measure(2, "link pages", assets, write_link_path)
    lists = await measure(3, "console lists", assets, find_list_path)
    print(f"\n{streams} of each, less the same without anybody:")
    for name, of in (("memory, MiB", lambda all: all[0]), ("processor idle, s", lambda all: all[1]["idle"][0]),
                     ("processor running, s", lambda all: all[1]["running"][0]), ("transactions idle", lambda all: all[1]["idle"][1]),
                     ("transactions running", lambda all: all[1]["running"][1])):
        one, *others = (of(watched) - of(nobody) for watched in (events, links, lists))
        ratios = ", ".join(f"{other:.2f} ({other / one if one > 0 else float('nan'):.2f} of it)" for other in others)
        print(f"  {name:20} event streams {one:.2f}; link pages, console lists {ratios}")


asyncio.run(main())
