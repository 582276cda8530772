"""The work of script/soak. Python's standard library only; loopback only; stops by itself."""

import argparse, hashlib, io, json, os, random, shutil, subprocess, sys, threading, time, zipfile

import ledger
from postgres import Postgres
from proxy import Proxy
from service import Client, Process, Refused, create_image
from store import Store

LEASE_SECONDS = 2.0
JOBS_PER_COMPANY = 8


def parse_arguments():
    parser = argparse.ArgumentParser(prog="script/soak")
    parser.add_argument("--binary", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--kills", type=int, default=200, metavar="N")
    parser.add_argument("--database-kills", type=int, default=0, metavar="N")
    parser.add_argument("--network-faults", type=int, default=0, metavar="N")
    parser.add_argument("--store-faults", type=int, default=0, metavar="N")
    parser.add_argument("--store-server", metavar="PROGRAM", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=3, metavar="N")
    parser.add_argument("--companies", type=int, default=4, metavar="N")
    parser.add_argument("--items", type=int, default=1600, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--fault", metavar="NAME")
    return parser.parse_args()


class Soak:
    """Postgres, one API process, workers, their clients, and what disturbs them."""

    def __init__(self, arguments):
        self.arguments, self.random = arguments, random.Random(arguments.seed)
        shutil.rmtree(arguments.work, ignore_errors=True)
        os.makedirs(arguments.work)
        self.postgres = Postgres()
        self.proxy = Proxy(self.postgres.port) if arguments.network_faults else None
        self.store = Store(arguments.store_server, arguments.work) if arguments.store_faults else None
        environment = {
            "DATABASE_URL": self.postgres.url(self.proxy and self.proxy.port),
            "OFFPRINT_DATA_DIR": os.path.join(arguments.work, "data"),
            "OFFPRINT_LEASE": f"{LEASE_SECONDS}s",
            "OFFPRINT_SLOTS": "2",
            "OFFPRINT_AUTH": "keys",
            "OFFPRINT_MAX_REQUESTS": "0",
            "OFFPRINT_MAIL_TO": "soak@example.com",
            "OFFPRINT_PUBLIC_URL": "http://localhost:8080",
            **(self.store.environment if self.store else {}),
        }
        start = lambda role, name: Process(arguments.binary, role, arguments.work, name, environment)
        self.api = start("api", "api")
        self.api.wait_until_ready()
        self.workers = [start("worker", f"worker-{number}") for number in range(arguments.workers)]
        for worker in self.workers:
            worker.wait_until_ready()
        self.clients = [Client(self.api.url, key) for key in self.create_keys(environment)]
        self.jobs, self.originals = [], []
        self.torn, self.downloads, self.slowest, self.over = [], 0, 0.0, threading.Event()
        self.probes = {}

    def create_keys(self, environment):
        """Creates an API key for each company."""
        command = lambda name: [self.arguments.binary, "admin", "create-key", "--company", name]
        run = lambda name: subprocess.run(command(name), env={**os.environ, **environment}, capture_output=True, text=True, check=True)
        return [run(f"company-{number}").stdout.strip() for number in range(self.arguments.companies)]

    def create_jobs(self):
        """Uploads images and creates jobs, so many that the kills do not outlast them."""
        images = self.arguments.items // (len(self.clients) * JOBS_PER_COMPANY)
        for number, client in enumerate(self.clients):
            files = [(f"{number}-{seed}.png", create_image(160, 120, number * 10_000 + seed)) for seed in range(images)]
            files += [(f"cut {name}", data[: len(data) // 2]) for name, data in files[:2]]
            for start in range(0, len(files), 50):
                handles = client.upload("soak", files[start : start + 50])
            self.originals.append((client, handles[0]))
            for width in range(JOBS_PER_COMPANY):
                request = {
                    "assetFilter": {"folder": "soak"},
                    "fmt": "convert",
                    # Some tens of ms each, in code that is optimised in every build: most kills interrupt a render.
                    "is_modifier": f"fit=fit,1&wid={1600 + width}&fmt=jpeg",
                    "emailSetting": "All",
                    "jobName": f"soak {number}-{width}",
                    "onUnconvertible": "fail",
                }
                # The response may be lost, and sending the request again must not create a second job.
                job = client.json("/export-jobs", request, {"Idempotency-Key": f"soak-{number}-{width}"})
                self.jobs.append((client, job["jobHandle"]))

    # ---- Clients meanwhile -------------------------------------------------------------------------------------

    def send_job_actions(self):
        """Pauses, resumes, stops and retries jobs at random."""
        generator, paused, stops = random.Random(self.arguments.seed + 1), [], 0
        while not self.over.is_set():
            time.sleep(generator.uniform(0.1, 0.4))
            client, job = generator.choice(self.jobs)
            action = generator.choice(["pause", "pause", "resume", "retry", "retry", "stop"])
            if action == "stop":
                stops += 1
                if stops > JOBS_PER_COMPANY // 2:
                    continue
            if client.send_action(job, action) and action == "pause":
                paused.append((client, job))
            if len(paused) > 3:
                client, job = paused.pop(0)
                client.send_action(job, "resume")
        for client, job in paused:
            client.send_action(job, "resume")

    def read(self, seed):
        """Downloads files and archives at random and compares each with its list."""
        generator = random.Random(seed)
        while not self.over.is_set():
            client, job = generator.choice(self.jobs)
            start = time.monotonic()
            try:
                self.read_files(client, job, generator)
                self.read_archive(client, job, generator)
            except Refused as refused:
                if refused.status != 409:
                    self.torn.append(f"{job}: {refused}")
            self.slowest = max(self.slowest, time.monotonic() - start)

    def read_files(self, client, job, generator):
        files = client.json(f"/export-jobs/{job}/files?state=ready&limit=1000")["items"]
        for file in generator.sample(files, min(3, len(files))):
            data = client.request(file["href"])[2]
            self.downloads += 1
            if hashlib.sha256(data).hexdigest() != file["sha256"] or len(data) != file["size"]:
                self.torn.append(f"{job}/{file['path']}: {len(data)} bytes instead of {file['size']}")

    def read_archive(self, client, job, generator):
        _, headers, whole = client.request(f"/export-jobs/{job}/archive")
        self.downloads += 1
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            if bad := archive.testzip():
                self.torn.append(f"{job}: {bad} in the archive")
            names = archive.namelist()
            if len(names) != len(set(names)) or names[-2:] != ["manifest.json", "manifest.csv"]:
                self.torn.append(f"{job}: the archive lists {names}")
        start = generator.randrange(len(whole))
        range_headers = {"Range": f"bytes={start}-", "If-Range": headers["ETag"]}
        status, _, rest = client.request(f"/export-jobs/{job}/archive", headers=range_headers)
        if status == 206 and rest != whole[start:]:
            self.torn.append(f"{job}: the range from {start} differs from the whole archive")

    # ---- Disturbances -----------------------------------------------------------------------------------------

    def kill_processes(self):
        frozen = 0
        for _ in range(self.arguments.kills):
            time.sleep(self.random.uniform(0.05, 0.35))
            victim = self.random.choice([process for process in (self.api, *self.workers) if not process.is_spared()])
            if victim is not self.api and self.random.random() < 0.1:
                victim.freeze(1.6 * LEASE_SECONDS)
                frozen += 1
            else:
                victim.kill()
                self.check_recent_blobs()
                victim.start()
        return f"{self.arguments.kills - frozen} kills, {frozen} times frozen past the lease"

    def check_recent_blobs(self):
        """A file under its final name is complete at any moment, also when its writer was just killed."""
        just_now = time.time() - 1
        top = os.path.join(self.arguments.work, "data", "blobs")
        for folder, _, names in os.walk(top):
            for name in names if os.stat(folder).st_mtime > just_now else ():
                path = os.path.join(folder, name)
                try:
                    if os.stat(path).st_mtime > just_now and hashlib.sha256(open(path, "rb").read()).hexdigest() != name:
                        self.torn.append(f"{name} does not have the bytes that its name says")
                except FileNotFoundError:
                    pass  # The sweep removed it.

    def kill_database(self):
        for _ in range(self.arguments.database_kills):
            time.sleep(self.random.uniform(0.5, 2))
            self.postgres.kill()
            time.sleep(self.random.uniform(0, 1))
            self.postgres.start()
        return f"{self.arguments.database_kills} kills of Postgres"

    def disturb_network(self):
        """Applies each fault in turn; during a fault a request must get a response, whatever its status."""
        faults = [("latency", 0.2), ("cut", 5000), ("reset", 5000), ("blackhole",), ("down",)]
        number = self.arguments.network_faults or self.arguments.store_faults
        proxy = self.proxy or self.store.proxy
        longest = 0.0
        for fault in (faults[turn % len(faults)] for turn in range(number)):
            proxy.set(*fault)
            start = time.monotonic()
            self.probe()
            longest = max(longest, time.monotonic() - start)
            time.sleep(max(0, self.random.uniform(1, 3) - (time.monotonic() - start)))
            proxy.set("pass")
            time.sleep(self.random.uniform(0.5, 1.5))
        where = "Postgres" if self.proxy else "the store"
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(self.probes.items()))
        return f"{number} network faults before {where} (responses meanwhile: {statuses}, the slowest in {longest:.1f} s)"

    def probe(self):
        """Sends a request through the disturbed connection: its asset is a row, its bytes are in the store."""
        client, asset = self.random.choice(self.originals)
        curl = subprocess.run(
            ["curl", "--silent", "--max-time", "40", "--output", os.devnull, "--write-out", "%{http_code}",
             "--header", f"Authorization: Bearer {client.key}", f"{client.url}/assets/{asset}/content"],
            capture_output=True, text=True,
        )
        self.probes[curl.stdout] = self.probes.get(curl.stdout, 0) + 1
        if curl.returncode == 28 or curl.stdout not in ("200", "503"):
            self.torn.append(f"a request during a network fault got {curl.stdout}, curl exited with {curl.returncode}")

    def disturb(self):
        helpers = [threading.Thread(target=self.send_job_actions)]
        helpers += [threading.Thread(target=self.read, args=(seed,)) for seed in (101, 102)]
        for helper in helpers:
            helper.start()
        if self.arguments.database_kills:
            summary = self.kill_database()
        elif self.arguments.network_faults or self.arguments.store_faults:
            summary = self.disturb_network()
        else:
            summary = self.kill_processes()
        left = self.postgres.query("select count(*) from export_item where state in ('waiting', 'running')")[0][0]
        self.over.set()
        for helper in helpers:
            helper.join()
        return f"{summary}, {left} items left then"

    # ---- The end ----------------------------------------------------------------------------------------------

    def settle_down(self):
        """Waits until every job is finished and every task is done, with a time limit, because something may be lost. Items
        and tasks that are to be tried again later extend it: after four tries by up to six minutes."""
        deadline = time.monotonic() + 180
        next_try = (
            "select coalesce(ceil(extract(epoch from max(run_at) - now())), 0) from ("
            "select run_at from export_item where state = 'waiting' union all "
            "select run_at from task where state = 'waiting' union all "
            "select lease_until + interval '10 seconds' * 3 ^ least(lost - 2, 4) from task where state = 'running' and lost > 1) open"
        )
        unfinished = (
            "select (select count(*) from export_job where state <> 'finished') + "
            "(select count(*) from task where state in ('waiting', 'running'))"
        )
        while time.monotonic() < deadline and self.postgres.query(unfinished)[0][0] != "0":
            for client, job in self.jobs:
                if client.json(f"/export-jobs/{job}")["state"] == "paused":
                    client.send_action(job, "resume")
            if (due := float(self.postgres.query(next_try)[0][0])) > 0:
                deadline = max(deadline, time.monotonic() + due + 60)
            time.sleep(0.5)

    def check_storage(self):
        """Reads every archive once more, and compares every blob with its name."""
        for client, job in self.jobs:
            try:
                self.read_archive(client, job, random.Random(job))
            except Refused as refused:
                self.torn.append(f"{job}: {refused}")
        if self.store:
            return
        for digest, size in self.postgres.query("select encode(sha256, 'hex'), size from blob"):
            path = os.path.join(self.arguments.work, "data", "blobs", digest[:2], digest)
            data = open(path, "rb").read() if os.path.exists(path) else b""
            if len(data) != int(size) or hashlib.sha256(data).hexdigest() != digest:
                self.torn.append(f"blob {digest} has {len(data)} bytes instead of {size}")

    def close(self):
        """Stops all processes and returns their exit codes."""
        return [process.stop() for process in [*self.workers, self.api]]


def main():
    arguments = parse_arguments()
    soak = Soak(arguments)
    start = time.monotonic()
    try:
        soak.create_jobs()
        summary = soak.disturb()
        soak.settle_down()
        soak.check_storage()
        findings = ledger.audit(soak.postgres, arguments.work)
        findings["torn files"] = [[line] for line in soak.torn]
        codes = soak.close()
        findings["exit codes"] = [[str(code)] for code in codes if code]
        items = soak.postgres.query("select count(*) from export_item")[0][0]
        failed_tries = soak.postgres.query("select count(*) from export_attempt where ending <> 'succeeded'")[0][0]
    finally:
        for process in [*soak.workers, soak.api]:
            process.kill()
        soak.postgres.remove()
        if soak.store:
            soak.store.stop()
    for kind, rows in findings.items():
        for row in rows[:5]:
            print(f"  {kind}: {' | '.join(row)}")
    print(
        f"{items} items of {len(soak.clients)} companies in {len(soak.jobs)} jobs, {arguments.workers} workers: {summary}; "
        f"{failed_tries} tries that did not succeed, {soak.downloads} files and archives downloaded, {time.monotonic() - start:.0f} s"
    )
    print(", ".join(f"{kind}: {len(rows)}" for kind, rows in findings.items()))
    sys.exit(1 if any(findings.values()) else 0)


main()
