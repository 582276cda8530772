"""Processes of the service, and a client that keeps asking while they are killed."""

import http.client, json, os, random, signal, struct, subprocess, threading, time, urllib.error, urllib.request, zlib

from postgres import free_port


class Process:
    """One `offprint serve`; started again with the same settings as often as it is killed."""

    def __init__(self, binary, role, work, name, environment):
        self.binary, self.role, self.name, self.port = binary, role, name, free_port()
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
        """Stands still for longer than its lease, and then goes on as if nothing had happened. Spared for a second after
        that: it shall come to do its harm."""
        running = self.running
        running.send_signal(signal.SIGSTOP)
        self.spared_until = time.monotonic() + seconds + 1
        threading.Timer(seconds, lambda: running.poll() is None and running.send_signal(signal.SIGCONT)).start()

    def is_spared(self):
        return time.monotonic() < self.spared_until

    def wait_until_ready(self):
        for _ in range(1200):
            try:
                with urllib.request.urlopen(self.url + "/health/ready", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (OSError, http.client.HTTPException):
                pass
            if self.running.poll() is not None:
                self.start()
            time.sleep(0.05)
        raise SystemExit(f"{self.name} does not become ready; {self.log} says why.")

    def stop(self):
        """Asks it to end; its exit code."""
        self.running.send_signal(signal.SIGCONT)
        self.running.terminate()
        return self.running.wait(60)


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body[:300]}")
        self.status, self.body = status, body


class Client:
    """Asks until there is an answer: the process that would give it may just be dead."""

    def __init__(self, url, key=None):
        self.url, self.key = url, key

    def ask(self, path, body=None, headers=(), method=None, patience=60):
        """Status, headers and bytes; 4xx is an answer too, raised as `Refused`."""
        until = time.monotonic() + patience
        while True:
            headers = dict(headers)
            if self.key:
                headers["Authorization"] = f"Bearer {self.key}"
            request = urllib.request.Request(self.url + path, body, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return answer.status, answer.headers, answer.read()
            except urllib.error.HTTPError as refused:
                said = refused.read().decode(errors="replace")
                if refused.code < 500:
                    raise Refused(refused.code, said) from None
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > until:
                raise SystemExit(f"{path} was not answered for {patience} s")
            time.sleep(0.05)

    def json(self, path, body=None, headers=()):
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if data else {}
        return json.loads(self.ask(path, data, {**kind, **dict(headers)})[2])

    def order(self, job, word):
        """Whether the order was taken; what the job's state forbids is no mistake."""
        try:
            self.ask(f"/export-jobs/{job}/{word}", b"", method="POST")
            return True
        except Refused as refused:
            if refused.status == 409:
                return False
            raise

    def upload(self, folder, files):
        """Handles of files, given as name and bytes."""
        edge, parts = "soak-edge", [f'--soak-edge\r\nContent-Disposition: form-data; name="folder"\r\n\r\n{folder}\r\n'.encode()]
        for name, data in files:
            head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
            parts += [head.encode(), data, b"\r\n"]
        body = b"".join(parts) + f"--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return [asset["assetHandle"] for asset in json.loads(self.ask("/assets", body, kind)[2])["assets"]]


def picture(width, height, seed):
    """A PNG that no other seed gives."""
    made = random.Random(seed)
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + made.randbytes(3 * width) for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
