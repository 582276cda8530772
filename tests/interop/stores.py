"""The part `stores` of script/interop: from bucket to bucket through the service, as a shop does every night.

Objects are imported from one bucket of moto's S3 server, exported to three renditions and delivered to another bucket, while
processes of the service are killed every second and a proxy before the store breaks connections. Then: nothing lost, nothing
twice, and a second run moves nothing. After that, without faults, the speed of imports and deliveries beside a client with
threads (boto3) on the same store in the same run. Loopback only; stops by itself; exits with 1 when anything is wrong."""

import argparse, collections, concurrent.futures, hashlib, json, os, random, shutil, signal, statistics, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "soak"))

import boto3
from botocore.config import Config
from postgres import Postgres
from proxy import Proxy
from service import Client, Process, create_image
from store import Store

THREADS = 24
"""As many requests at once as the service makes for one destination."""

RENDITIONS = [("small", "wid=20"), ("medium", "wid=40&fmt=png"), ("square", "wid=32&hei=32&fit=crop")]
LEAST_RATIO = 0.9


def parse_arguments():
    parser = argparse.ArgumentParser(prog="script/interop stores")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--store-server", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--speed-objects", type=int, default=1000)
    parser.add_argument("--speed-bytes", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Run:
    """Postgres, the store behind a proxy, an API process and two workers."""

    def __init__(self, arguments):
        self.arguments, self.random, self.findings = arguments, random.Random(arguments.seed), []
        shutil.rmtree(arguments.work, ignore_errors=True)
        os.makedirs(arguments.work)
        self.postgres = Postgres()
        self.store = Store(arguments.store_server, arguments.work)
        self.store_port = self.store.proxy.upstream
        self.s3 = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.store_port}", aws_access_key_id="stores", aws_secret_access_key="stores",
            region_name="us-east-1", config=Config(max_pool_connections=THREADS),
        )
        for bucket in ("photos", "market", "speed"):
            self.s3.create_bucket(Bucket=bucket)
        # So that whatever is written twice is seen.
        self.s3.put_bucket_versioning(Bucket="market", VersioningConfiguration={"Status": "Enabled"})
        environment = {
            "DATABASE_URL": self.postgres.url(),
            "OFFPRINT_DATA_DIR": os.path.join(arguments.work, "data"),
            "OFFPRINT_CONNECTIONS": self.write_connections(),
            "OFFPRINT_LEASE": "2s",
            "OFFPRINT_MAX_REQUESTS": "0",
            "OFFPRINT_SLOTS": "2",
        }
        start = lambda role, name: Process(arguments.binary, role, arguments.work, name, environment)
        self.api = start("api", "api")
        self.api.wait_until_ready()
        self.processes = [self.api, start("worker", "worker-1"), start("worker", "worker-2")]
        for process in self.processes:
            process.wait_until_ready()
        self.client = Client(self.api.url)

    def write_connections(self):
        secret = os.path.join(self.arguments.work, "secret")
        with open(secret, "w") as file:
            file.write("stores")
        os.chmod(secret, 0o600)
        path = os.path.join(self.arguments.work, "connections.toml")
        with open(path, "w") as file:
            for name, bucket, access, port in [
                ("photos", "photos", "read", self.store.proxy.port),
                ("market", "market", "write", self.store.proxy.port),
                ("speed-in", "speed", "read", self.store_port),
                ("speed-out", "speed", "write", self.store_port),
            ]:
                file.write(
                    f'[{name}]\nurl = "s3://{bucket}"\naccess = "{access}"\ncompanies = ["*"]\n[{name}.variables]\n'
                    f'AWS_ENDPOINT_URL = "http://127.0.0.1:{port}"\nAWS_ACCESS_KEY_ID = "stores"\n'
                    f'AWS_SECRET_ACCESS_KEY = {{ file = "{secret}" }}\nAWS_REGION = "us-east-1"\n'
                )
        return path

    def expect(self, what, actual, expected):
        if actual != expected:
            self.findings.append(f"{what}: {actual}, not {expected}")

    def in_threads(self, function, values):
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(function, values))

    # ---- What disturbs -------------------------------------------------------------------------------------------

    def disturb(self, over, counts):
        generator = random.Random(self.arguments.seed + 1)
        while not over.wait(1.0):
            process = generator.choice(self.processes)
            process.kill()
            process.start()
            counts["kills"] += 1

    def break_store(self, over, counts):
        generator = random.Random(self.arguments.seed + 2)
        while not over.wait(generator.uniform(0.2, 0.6)):
            mode = generator.choice([("latency", 0.02), ("cut", 40_000), ("reset", 20_000), ("down",), ("blackhole",)])
            self.store.proxy.set(*mode)
            counts["faults"] += 1
            over.wait(generator.uniform(0.05, 0.3))
            self.store.proxy.set("pass")
        self.store.proxy.set("pass")

    # ---- From bucket to bucket -----------------------------------------------------------------------------------

    def fill_photos(self):
        keys = [f"2027/{number % 40:02}/{number:05}.png" for number in range(self.arguments.objects)]
        images = {key: create_image(48, 36, number) for number, key in enumerate(keys)}
        self.in_threads(lambda key: self.s3.put_object(Bucket="photos", Key=key, Body=images[key]), keys)
        self.sources = {key: hashlib.sha256(image).hexdigest() for key, image in images.items()}

    def wait_for(self, path, wait=20):
        while (resource := self.client.json(f"{path}?wait={wait}"))["state"] != "finished":
            pass
        return resource

    def run_import(self, key):
        request = {"source": {"connection": "photos", "prefix": "2027"}, "folder": "shop", "onExisting": "replace"}
        created = self.client.json("/imports", request, {"Idempotency-Key": f"import-{key}"})
        return self.wait_for(f"/imports/{created['importHandle']}", 1)

    def run_export(self, key):
        request = {
            "assetFilter": {"folder": "shop", "recursive": True},
            "fmt": "convert",
            "jobName": "nightly",
            "layout": "folders",
            "renditions": [{"name": name, "is_modifier": modifier} for name, modifier in RENDITIONS],
            "onlyChanged": True,
            "deliverTo": [{"connection": "market", "prefix": "out", "manifest": True}],
        }
        created = self.client.json("/export-jobs", request, {"Idempotency-Key": f"export-{key}"})
        # The process that answers is killed as well: a longer request would hardly ever get its response.
        return self.wait_for(f"/export-jobs/{created['jobHandle']}", 1)

    def count_moved(self, since):
        """Objects that were read from the one bucket and written to the other one, from the store's log."""
        with open(os.path.join(self.arguments.work, "store.log")) as log:
            log.seek(since)
            lines = log.read().splitlines()
        read = sum('"GET /photos/' in line for line in lines)
        written = sum(('"PUT /market/' in line or '"POST /market/' in line) and "manifest." not in line for line in lines)
        return read, written

    def check_results(self, imported, job):
        objects, files = self.arguments.objects, self.arguments.objects * len(RENDITIONS)
        self.expect("outcome of the import", imported["outcome"], "succeeded")
        self.expect("found", imported["counts"]["found"], objects)
        self.expect("imported or skipped", imported["counts"]["imported"] + imported["counts"]["skipped"], objects)
        rows = self.postgres.query("select file_name, encode(sha256, 'hex') from asset where deleted_at is null")
        self.expect("assets", collections.Counter(digest for _, digest in rows), collections.Counter(self.sources.values()))
        self.expect("outcome of the job", job["outcome"], "succeeded")
        self.expect("items", (job["counts"]["total"], job["counts"]["succeeded"]), (objects, objects))
        counts = job["deliverTo"][0]["counts"]
        self.expect("files that were delivered", (counts["delivered"], counts["failed"], counts["waiting"]), (files, 0, 0))
        query = "select path, encode(sha256, 'hex') from export_file where state = 'ready'"
        expected = {f"out/{path}": digest for path, digest in self.postgres.query(query)}
        versions, rewritten = collections.defaultdict(set), 0
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket="market"):
            for version in page.get("Versions", []):
                rewritten += bool(versions[version["Key"]])
                versions[version["Key"]].add(version["ETag"])
        delivered = {key for key in versions if "/manifest." not in key}
        self.expect("keys in the other bucket", len(delivered), files)
        self.expect("keys that are missing or too many", sorted(delivered ^ expected.keys())[:5], [])
        self.expect("keys that had other content at some time", [key for key in delivered if len(versions[key]) > 1][:5], [])
        digest = lambda key: hashlib.sha256(self.s3.get_object(Bucket="market", Key=key)["Body"].read()).hexdigest()
        keys = sorted(delivered & expected.keys())
        wrong = [key for key, found in zip(keys, self.in_threads(digest, keys)) if found != expected[key]]
        self.expect("torn objects", wrong[:5], [])
        manifest = json.loads(self.s3.get_object(Bucket="market", Key="out/manifest.json")["Body"].read())
        self.expect("lines of the delivered manifest", len(manifest["items"]), files)
        return rewritten

    def move_everything(self):
        self.fill_photos()
        over, counts, start = threading.Event(), collections.Counter(), time.monotonic()
        helpers = [threading.Thread(target=target, args=(over, counts)) for target in (self.disturb, self.break_store)]
        for helper in helpers:
            helper.start()
        try:
            imported = self.run_import("first")
            job = self.run_export("first")
        finally:
            over.set()
            for helper in helpers:
                helper.join()
        took = time.monotonic() - start
        rewritten = self.check_results(imported, job)
        since = os.path.getsize(os.path.join(self.arguments.work, "store.log"))
        again, nothing = self.run_import("second"), self.run_export("second")
        self.expect("imported by the second run", (again["counts"]["imported"], again["counts"]["skipped"]), (0, self.arguments.objects))
        self.expect("items of the second run", nothing["counts"]["total"], 0)
        self.expect("objects that the second run read and wrote", self.count_moved(since), (0, 0))
        print(
            f"{self.arguments.objects} objects imported, exported to {len(RENDITIONS)} renditions and delivered in {took:.0f} s, with "
            f"{counts['kills']} kills and {counts['faults']} faults of the store; {rewritten} writes repeated with the same content; "
            "the second run moved nothing" if not self.findings else "Findings: " + "; ".join(self.findings), flush=True,
        )

    # ---- Speed ---------------------------------------------------------------------------------------------------

    def time_import(self, number):
        request = {"source": {"connection": "speed-in", "prefix": "in"}, "folder": f"speed-{number}"}
        start = time.monotonic()
        created = self.client.json("/imports", request)
        done = self.wait_for(f"/imports/{created['importHandle']}")
        took = time.monotonic() - start
        self.expect("imported", done["counts"]["imported"], self.arguments.speed_objects)
        return took

    def time_delivery(self, number):
        request = {
            "assetFilter": {"folder": "speed-0"}, "fmt": "orig", "jobName": f"speed {number}",
            "deliverTo": [{"connection": "speed-out", "prefix": f"out-{number}"}],
        }
        start = time.monotonic()
        done = self.wait_for(f"/export-jobs/{self.client.json('/export-jobs', request)['jobHandle']}")
        took = time.monotonic() - start
        self.expect("delivered", done["deliverTo"][0]["counts"]["delivered"], self.arguments.speed_objects)
        return took

    def measure_speed(self):
        count, generator = self.arguments.speed_objects, random.Random(7)
        bodies = [generator.randbytes(self.arguments.speed_bytes) for _ in range(count)]
        put = lambda prefix: self.in_threads(
            lambda number: self.s3.put_object(Bucket="speed", Key=f"{prefix}/{number}.bin", Body=bodies[number]), range(count)
        )
        get = lambda: self.in_threads(
            lambda number: self.s3.get_object(Bucket="speed", Key=f"in/{number}.bin")["Body"].read(), range(count)
        )
        put("in")
        rounds = []
        for number in range(self.arguments.rounds):
            clock = time.monotonic
            start = clock(); get(); theirs_in = clock() - start
            ours_in = self.time_import(number)
            start = clock(); put(f"boto3-{number}"); theirs_out = clock() - start
            ours_out = self.time_delivery(number)
            rounds.append((theirs_in, ours_in, theirs_out, ours_out))
            print(f"  import {ours_in:.2f} s, boto3 reads {theirs_in:.2f} s; delivery {ours_out:.2f} s, boto3 writes {theirs_out:.2f} s", flush=True)
        for name, theirs, ours in (("import", 0, 1), ("delivery", 2, 3)):
            ratio = statistics.median(row[theirs] for row in rounds) / statistics.median(row[ours] for row in rounds)
            rate = count / statistics.median(row[ours] for row in rounds)
            print(f"{name}: {rate:.0f} files a second, {ratio:.2f} of boto3 with {THREADS} threads", flush=True)
            if ratio < LEAST_RATIO:
                self.findings.append(f"the {name} has {ratio:.2f} of boto3's speed; at least {LEAST_RATIO} is promised")

    def close(self):
        for process in self.processes:
            process.kill()
        self.store.stop()
        self.postgres.remove()


def main():
    arguments = parse_arguments()
    # So that nothing is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = Run(arguments)
    try:
        if run.arguments.objects:
            run.move_everything()
        if run.arguments.rounds:
            run.measure_speed()
    finally:
        run.close()
    for finding in run.findings:
        print("  " + finding)
    sys.exit(1 if run.findings else 0)


main()
