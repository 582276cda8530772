"""A receiver verifies webhooks with the library `standardwebhooks` of PyPI. webhooks.py URL [KEY]

KEY may do everything, `admin` too; none is needed in open mode. The service has OFFPRINT_WEBHOOK_HTTP=true and
OFFPRINT_WEBHOOK_NETWORKS=127.0.0.0/8, for the receiver is here.
"""

import http.server, json, queue, sys, threading, time, urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SERVICE, KEY = sys.argv[1].rstrip("/"), (sys.argv[2:] or [""])[0]
came = queue.Queue()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        came.put((body.decode(), dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *said):
        pass


def call(method, path, body=None, kind="application/json"):
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(SERVICE + path, data, {"content-type": kind}, method=method)
    if KEY:
        request.add_header("authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def verified(secret, message):
    body, headers = message
    return Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})


def refused(secret, message):
    try:
        verified(secret, message)
    except WebhookVerificationError:
        return True
    return False


receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
part = b'--f\r\ncontent-disposition: form-data; name="file"; filename="hook.txt"\r\n\r\nbytes\r\n--f--\r\n'
asset = call("POST", "/assets", part, "multipart/form-data; boundary=f")["assets"][0]["assetHandle"]
first = call("GET", "/webhook-secret")["secret"]
url = f"http://127.0.0.1:{receiver.server_port}/export"
job = call("POST", "/export-jobs", {"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": url})
message = came.get(timeout=60)
told = verified(first, message)
assert told["type"] == "export_job.finished" and told["data"]["jobHandle"] == job["jobHandle"], told
assert refused(first, (message[0].replace("finished", "failed"), message[1])), "a changed body is verified"

second = call("POST", "/webhook-secret/rotate")["secret"]
assert refused(second, message), "a secret verifies what was signed before it was made"
deliveries = f"/export-jobs/{job['jobHandle']}/deliveries"
handle = call("GET", deliveries)["items"][0]["deliveryHandle"]
end = time.monotonic() + 30
while call("GET", deliveries)["items"][0]["state"] == "sending" and time.monotonic() < end:
    time.sleep(0.1)
call("POST", f"{deliveries}/{handle}/replay")
again = came.get(timeout=60)
assert verified(first, again) == verified(second, again) == told, "the same message, signed with both secrets"
ids = {name.lower(): value for name, value in again[1].items()}["webhook-id"]
assert ids == handle, (ids, handle)
while call("GET", deliveries)["items"][0]["state"] != "delivered" and time.monotonic() < end:
    time.sleep(0.1)
statuses = [attempt["status"] for attempt in call("GET", deliveries)["items"][0]["attempts"]]
assert statuses == [204, 204], statuses
print("webhooks: verified by standardwebhooks, before and after a rotation, and replayed")
