"""A client of a service without API keys, for the benchmarks in Python."""
import json, urllib.request


class Client:
    def __init__(self, base):
        self.base = base

    def call(self, method, path, body=None, kind="application/json"):
        """The response as JSON. A body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read() or b"null")

    def upload(self, name, data):
        """Uploads one file; the handle of its asset."""
        head = f'--f\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        created = self.call("POST", "/assets", head + data + b"\r\n--f--\r\n", "multipart/form-data; boundary=f")
        return created["assets"][0]["assetHandle"]
