"""A client of an open service, for the benches that are scripts."""
import json, urllib.request


class Client:
    def __init__(self, base):
        self.base = base

    def call(self, method, path, body=None, kind="application/json"):
        """The answer's JSON; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def upload(self, name, data):
        """The handle of the asset that is made of a file."""
        head = f'--f\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        made = self.call("POST", "/assets", head + data + b"\r\n--f--\r\n", "multipart/form-data; boundary=f")
        return made["assets"][0]["assetHandle"]
