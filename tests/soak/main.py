"""What script/soak does. Python's standard library only; loopback only; stops by itself."""

import argparse, hashlib, io, json, os, random, shutil, subprocess, sys, threading, time, zipfile

import ledger
from postgres import Postgres
from proxy import Proxy
from service import Client, Process, Refused, picture
from store import Store

LEASE = 2.0
JOBS = 8


def arguments():
    known = argparse.ArgumentParser(prog="script/soak")
    known.add_argument("--binary", required=True, help=argparse.SUPPRESS)
    known.add_argument("--work", required=True, help=argparse.SUPPRESS)
    known.add_argument("--kills", type=int, default=200, metavar="N")
    known.add_argument("--database-kills", type=int, default=0, metavar="N")
    known.add_argument("--network-faults", type=int, default=0, metavar="N")
    known.add_argument("--store-faults", type=int, default=0, metavar="N")
    known.add_argument("--store-server", metavar="PROGRAM", help=argparse.SUPPRESS)
    known.add_argument("--workers", type=int, default=3, metavar="N")
    known.add_argument("--companies", type=int, default=4, metavar="N")
    known.add_argument("--items", type=int, default=1600, metavar="N")
    known.add_argument("--seed", type=int, default=1, metavar="N")
    known.add_argument("--fault", metavar="NAME")
    return known.parse_args()


class House:
    """Postgres, one API process, workers, and who uses them."""

    def __init__(self, given):
        self.given, self.random = given, random.Random(given.seed)
        shutil.rmtree(given.work, ignore_errors=True)
        os.makedirs(given.work)
        self.postgres = Postgres()
        self.proxy = Proxy(self.postgres.port) if given.network_faults else None
        self.store = Store(given.store_server, given.work) if given.store_faults else None
        environment = {
            "DATABASE_URL": self.postgres.url(self.proxy and self.proxy.port),
            "OFFPRINT_DATA_DIR": os.path.join(given.work, "data"),
            "OFFPRINT_LEASE": f"{LEASE}s",
            "OFFPRINT_SLOTS": "2",
            "OFFPRINT_AUTH": "keys",
            "OFFPRINT_MAX_REQUESTS": "0",
            "OFFPRINT_MAIL_TO": "soak@example.com",
            "OFFPRINT_PUBLIC_URL": "http://localhost:8080",
            **(self.store.environment if self.store else {}),
        }
        make = lambda role, name: Process(given.binary, role, given.work, name, environment)
        self.api = make("api", "api")
        self.api.wait_until_ready()
        self.workers = [make("worker", f"worker-{number}") for number in range(given.workers)]
        for worker in self.workers:
            worker.wait_until_ready()
        self.clients = [Client(self.api.url, key) for key in self.keys(environment)]
        self.jobs, self.originals = [], []
        self.torn, self.answers, self.slowest, self.over = [], 0, 0.0, threading.Event()
        self.probes = {}

    def keys(self, environment):
        """A key for each company."""
        make = lambda name: [self.given.binary, "admin", "create-key", "--company", name]
        run = lambda name: subprocess.run(make(name), env={**os.environ, **environment}, capture_output=True, text=True, check=True)
        return [run(f"company-{number}").stdout.strip() for number in range(self.given.companies)]

    def order(self):
        """Uploads pictures and orders jobs, so many that the killing does not outlast them."""
        pictures = self.given.items // (len(self.clients) * JOBS)
        for number, client in enumerate(self.clients):
            files = [(f"{number}-{seed}.png", picture(160, 120, number * 10_000 + seed)) for seed in range(pictures)]
            files += [(f"cut {name}", data[: len(data) // 2]) for name, data in files[:2]]
            for start in range(0, len(files), 50):
                handles = client.upload("soak", files[start : start + 50])
            self.originals.append((client, handles[0]))
            for width in range(JOBS):
                order = {
                    "assetFilter": {"folder": "soak"},
                    "fmt": "convert",
                    # Some tens of ms each, in code that is optimised in every build: a kill mostly finds a picture on its way.
                    "is_modifier": f"fit=fit,1&wid={1600 + width}&fmt=jpeg",
                    "emailSetting": "All",
                    "jobName": f"soak {number}-{width}",
                    "onUnconvertible": "fail",
                }
                # With a key: the answer may be lost, and asking again must not make a second job.
                made = client.json("/export-jobs", order, {"Idempotency-Key": f"soak-{number}-{width}"})
                self.jobs.append((client, made["jobHandle"]))

    # ---- Who uses it meanwhile ---------------------------------------------------------------------------------

    def give_orders(self):
        """Pauses, resumes, stops and retries jobs at random."""
        made, paused, stops = random.Random(self.given.seed + 1), [], 0
        while not self.over.is_set():
            time.sleep(made.uniform(0.1, 0.4))
            client, job = made.choice(self.jobs)
            word = made.choice(["pause", "pause", "resume", "retry", "retry", "stop"])
            if word == "stop":
                stops += 1
                if stops > JOBS // 2:
                    continue
            if client.order(job, word) and word == "pause":
                paused.append((client, job))
            if len(paused) > 3:
                client, job = paused.pop(0)
                client.order(job, "resume")
        for client, job in paused:
            client.order(job, "resume")

    def read(self, seed):
        """Fetches files and archives at random; each must be what its list says."""
        made = random.Random(seed)
        while not self.over.is_set():
            client, job = made.choice(self.jobs)
            begun = time.monotonic()
            try:
                self.read_files(client, job, made)
                self.read_archive(client, job, made)
            except Refused as refused:
                if refused.status != 409:
                    self.torn.append(f"{job}: {refused}")
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def read_files(self, client, job, made):
        files = client.json(f"/export-jobs/{job}/files?state=ready&limit=1000")["items"]
        for file in made.sample(files, min(3, len(files))):
            data = client.ask(file["href"])[2]
            self.answers += 1
            if hashlib.sha256(data).hexdigest() != file["sha256"] or len(data) != file["size"]:
                self.torn.append(f"{job}/{file['path']}: {len(data)} bytes instead of {file['size']}")

    def read_archive(self, client, job, made):
        _, headers, whole = client.ask(f"/export-jobs/{job}/archive")
        self.answers += 1
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            if bad := archive.testzip():
                self.torn.append(f"{job}: {bad} in the archive")
            names = archive.namelist()
            if len(names) != len(set(names)) or names[-2:] != ["manifest.json", "manifest.csv"]:
                self.torn.append(f"{job}: the archive lists {names}")
        start = made.randrange(len(whole))
        wanted = {"Range": f"bytes={start}-", "If-Range": headers["ETag"]}
        status, _, rest = client.ask(f"/export-jobs/{job}/archive", headers=wanted)
        if status == 206 and rest != whole[start:]:
            self.torn.append(f"{job}: the rest from {start} is not the rest")

    # ---- What happens to it -----------------------------------------------------------------------------------

    def kill_processes(self):
        frozen = 0
        for _ in range(self.given.kills):
            time.sleep(self.random.uniform(0.05, 0.35))
            victim = self.random.choice([it for it in (self.api, *self.workers) if not it.is_spared()])
            if victim is not self.api and self.random.random() < 0.1:
                victim.freeze(1.6 * LEASE)
                frozen += 1
            else:
                victim.kill()
                self.check_what_was_just_written()
                victim.start()
        return f"{self.given.kills - frozen} kills, {frozen} times frozen past the lease"

    def check_what_was_just_written(self):
        """What lies under its final name is whole at any moment, also when whoever wrote it has just died."""
        just_now = time.time() - 1
        top = os.path.join(self.given.work, "data", "blobs")
        for folder, _, names in os.walk(top):
            for name in names if os.stat(folder).st_mtime > just_now else ():
                path = os.path.join(folder, name)
                try:
                    if os.stat(path).st_mtime > just_now and hashlib.sha256(open(path, "rb").read()).hexdigest() != name:
                        self.torn.append(f"{name} is another blob than its name says")
                except FileNotFoundError:
                    pass  # The sweep was there.

    def kill_database(self):
        for _ in range(self.given.database_kills):
            time.sleep(self.random.uniform(0.5, 2))
            self.postgres.kill()
            time.sleep(self.random.uniform(0, 1))
            self.postgres.start()
        return f"{self.given.database_kills} kills of Postgres"

    def disturb_network(self):
        """Each fault in turn; while it lasts, a request must be answered, however it is answered."""
        faults = [("latency", 0.2), ("cut", 5000), ("reset", 5000), ("blackhole",), ("down",)]
        number = self.given.network_faults or self.given.store_faults
        proxy = self.proxy or self.store.proxy
        longest = 0.0
        for fault in (faults[turn % len(faults)] for turn in range(number)):
            proxy.set(*fault)
            begun = time.monotonic()
            self.probe()
            longest = max(longest, time.monotonic() - begun)
            time.sleep(max(0, self.random.uniform(1, 3) - (time.monotonic() - begun)))
            proxy.set("pass")
            time.sleep(self.random.uniform(0.5, 1.5))
        where = "Postgres" if self.proxy else "the store"
        answers = ", ".join(f"{many} x {status}" for status, many in sorted(self.probes.items()))
        return f"{number} faults of the network before {where} (answers meanwhile: {answers}, the slowest in {longest:.1f} s)"

    def probe(self):
        """A request that goes through what is disturbed: its asset is a row, its bytes lie in the store."""
        client, asset = self.random.choice(self.originals)
        asked = subprocess.run(
            ["curl", "--silent", "--max-time", "40", "--output", os.devnull, "--write-out", "%{http_code}",
             "--header", f"Authorization: Bearer {client.key}", f"{client.url}/assets/{asset}/content"],
            capture_output=True, text=True,
        )
        self.probes[asked.stdout] = self.probes.get(asked.stdout, 0) + 1
        if asked.returncode == 28 or asked.stdout not in ("200", "503"):
            self.torn.append(f"a request during a network fault was answered {asked.stdout}, curl ended with {asked.returncode}")

    def soak(self):
        helpers = [threading.Thread(target=self.give_orders)]
        helpers += [threading.Thread(target=self.read, args=(seed,)) for seed in (101, 102)]
        for helper in helpers:
            helper.start()
        if self.given.database_kills:
            what = self.kill_database()
        elif self.given.network_faults or self.given.store_faults:
            what = self.disturb_network()
        else:
            what = self.kill_processes()
        left = self.postgres.query("select count(*) from export_item where state in ('waiting', 'running')")[0][0]
        self.over.set()
        for helper in helpers:
            helper.join()
        return f"{what}, {left} items left then"

    # ---- The end ----------------------------------------------------------------------------------------------

    def settle_down(self):
        """Waits until every job has finished and every mail is out; not for ever, for something may be lost. What is to be
        tried again later is waited for: after four tries that is up to six minutes."""
        until = time.monotonic() + 180
        later = "select coalesce(ceil(extract(epoch from max(run_at) - now())), 0) from export_item where state = 'waiting'"
        open_ = (
            "select (select count(*) from export_job where state <> 'finished') + "
            "(select count(*) from notice where state in ('waiting', 'sending'))"
        )
        while time.monotonic() < until and self.postgres.query(open_)[0][0] != "0":
            for client, job in self.jobs:
                if client.json(f"/export-jobs/{job}")["state"] == "paused":
                    client.order(job, "resume")
            if (due := float(self.postgres.query(later)[0][0])) > 0:
                until = max(until, time.monotonic() + due + 60)
            time.sleep(0.5)

    def check_what_is_there(self):
        """Every archive once more, and every blob against its name."""
        for client, job in self.jobs:
            try:
                self.read_archive(client, job, random.Random(job))
            except Refused as refused:
                self.torn.append(f"{job}: {refused}")
        if self.store:
            return
        for digest, size in self.postgres.query("select encode(sha256, 'hex'), size from blob"):
            path = os.path.join(self.given.work, "data", "blobs", digest[:2], digest[2:4], digest)
            data = open(path, "rb").read() if os.path.exists(path) else b""
            if len(data) != int(size) or hashlib.sha256(data).hexdigest() != digest:
                self.torn.append(f"blob {digest} has {len(data)} bytes instead of {size}")

    def close(self):
        """Exit codes of processes that were asked to end."""
        return [process.stop() for process in [*self.workers, self.api]]


def main():
    given = arguments()
    house = House(given)
    begun = time.monotonic()
    try:
        house.order()
        what = house.soak()
        house.settle_down()
        house.check_what_is_there()
        told = ledger.account(house.postgres, given.work)
        told["torn files"] = [[line] for line in house.torn]
        codes = house.close()
        told["exit codes"] = [[str(code)] for code in codes if code]
        items = house.postgres.query("select count(*) from export_item")[0][0]
        again = house.postgres.query("select count(*) from export_attempt where ending <> 'succeeded'")[0][0]
    finally:
        for process in [*house.workers, house.api]:
            process.kill()
        house.postgres.remove()
        if house.store:
            house.store.stop()
    for word, rows in told.items():
        for row in rows[:5]:
            print(f"  {word}: {' | '.join(row)}")
    print(
        f"{items} items of {len(house.clients)} companies in {len(house.jobs)} jobs, {given.workers} workers: {what}; "
        f"{again} tries that did not succeed, {house.answers} files and archives read, {time.monotonic() - begun:.0f} s"
    )
    print(", ".join(f"{word}: {len(rows)}" for word, rows in told.items()))
    sys.exit(1 if any(told.values()) else 0)


main()
