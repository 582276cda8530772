"""moto's S3 server, which keeps everything in memory, behind a proxy."""

import os, subprocess, time, urllib.request

from postgres import find_free_port
from proxy import Proxy


class Store:
    def __init__(self, program, work):
        port = find_free_port()
        log = open(os.path.join(work, "store.log"), "w")
        self.running = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
        bucket = urllib.request.Request(f"http://127.0.0.1:{port}/soak", b"", method="PUT")
        for _ in range(200):
            try:
                urllib.request.urlopen(bucket, timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        self.proxy = Proxy(port)
        self.environment = {
            "OFFPRINT_STORAGE_URL": "s3://soak/blobs",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.proxy.port}",
            "AWS_ACCESS_KEY_ID": "soak",
            "AWS_SECRET_ACCESS_KEY": "soak",
            "AWS_REGION": "us-east-1",
        }

    def stop(self):
        self.running.kill()
