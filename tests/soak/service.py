"""Processes of the service, and a client that repeats requests while they are killed."""

import http.client, json, os, random, signal, struct, subprocess, threading, time, urllib.error, urllib.request, zlib

from postgres import find_free_port


class Process:
    """One `offprint serve` process; it is started again with the same settings after each kill."""

    def __init__(self, binary, role, work, name, environment):
        self.binary, self.role, self.name, self.port = binary, role, name, find_free_port()
        self.log = os.path.join(work, f"{name}.log")
        self.spared_until = 0.0
        self.environment = dict(
            os.environ, OFFPRINT_BIND=f"127.0.0.1:{self.port}", OFFPRINT_ROLE=role, RUST_LOG="info", **environment
        )
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.running = subprocess.Popen([self.binary, "serve"], env=self.environment, stderr=open(self.log, "a"))

    def kill(self):
        self.running.kill()
        self.running.wait()

    def freeze(self, seconds):
        """Stops the process for longer than its lease, and then lets it continue. It is not killed for a second after that,
        so that it has time to do harm."""
        running = self.running
        running.send_signal(signal.SIGSTOP)
        self.spared_until = time.monotonic() + seconds + 1
        threading.Timer(seconds, lambda: running.poll() is None and running.send_signal(signal.SIGCONT)).start()

    def is_spared(self):
        return time.monotonic() < self.spared_until

    def wait_until_ready(self):
        for _ in range(1200):
            try:
                with urllib.request.urlopen(self.url + "/health/ready", timeout=5) as response:
                    if response.status == 200:
                        return
            except (OSError, http.client.HTTPException):
                pass
            if self.running.poll() is not None:
                self.start()
            time.sleep(0.05)
        raise SystemExit(f"{self.name} does not become ready. See {self.log}.")

    def stop(self):
        """Stops the process and returns its exit code."""
        self.running.send_signal(signal.SIGCONT)
        self.running.terminate()
        return self.running.wait(60)


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body[:300]}")
        self.status, self.body = status, body


class Client:
    """Repeats requests until there is a response: the process may just have been killed."""

    def __init__(self, url, key=None):
        self.url, self.key = url, key

    def request(self, path, body=None, headers=(), method=None, timeout=60):
        """Status, headers and bytes of the response; 4xx is raised as `Refused`."""
        deadline = time.monotonic() + timeout
        while True:
            headers = dict(headers)
            if self.key:
                headers["Authorization"] = f"Bearer {self.key}"
            request = urllib.request.Request(self.url + path, body, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return response.status, response.headers, response.read()
            except urllib.error.HTTPError as refused:
                text = refused.read().decode(errors="replace")
                if refused.code < 500:
                    raise Refused(refused.code, text) from None
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                raise SystemExit(f"{path}: no response within {timeout} s")
            time.sleep(0.05)

    def json(self, path, body=None, headers=()):
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if data else {}
        return json.loads(self.request(path, data, {**kind, **dict(headers)})[2])

    def send_action(self, job, action):
        """Whether the job action was accepted; one that the job's state forbids is no error."""
        try:
            self.request(f"/export-jobs/{job}/{action}", b"", method="POST")
            return True
        except Refused as refused:
            if refused.status == 409:
                return False
            raise

    def upload(self, folder, files):
        """Uploads files, given as name and bytes, and returns their handles."""
        boundary, parts = "soak-edge", [f'--soak-edge\r\nContent-Disposition: form-data; name="folder"\r\n\r\n{folder}\r\n'.encode()]
        for name, data in files:
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
            parts += [head.encode(), data, b"\r\n"]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return [asset["assetHandle"] for asset in json.loads(self.request("/assets", body, kind)[2])["assets"]]


def create_image(width, height, seed):
    """A PNG that is different for each seed."""
    generator = random.Random(seed)
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + generator.randbytes(3 * width) for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
