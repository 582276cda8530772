"""Receives webhooks and verifies them with the library `standardwebhooks` from PyPI. webhooks.py URL [KEY]

KEY has all capabilities including `admin`; open mode needs none. The service has OFFPRINT_WEBHOOK_HTTP=true and
OFFPRINT_WEBHOOK_NETWORKS=127.0.0.0/8, because the receiver is on this machine.
"""

import http.server, json, queue, sys, threading, time, urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SERVICE, KEY = sys.argv[1].rstrip("/"), (sys.argv[2:] or [""])[0]
received = queue.Queue()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((body.decode(), dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def call(method, path, body=None, kind="application/json"):
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(SERVICE + path, data, {"content-type": kind}, method=method)
    if KEY:
        request.add_header("authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
        return json.loads(text) if text else None


def verify(secret, message):
    body, headers = message
    return Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})


def is_rejected(secret, message):
    try:
        verify(secret, message)
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
message = received.get(timeout=60)
payload = verify(first, message)
assert payload["type"] == "export_job.finished" and payload["data"]["jobHandle"] == job["jobHandle"], payload
assert is_rejected(first, (message[0].replace("finished", "failed"), message[1])), "a changed body was accepted"

second = call("POST", "/webhook-secret/rotate")["secret"]
assert is_rejected(second, message), "a new secret accepted a message that was signed before it existed"
deliveries = f"/export-jobs/{job['jobHandle']}/deliveries"
handle = call("GET", deliveries)["items"][0]["deliveryHandle"]
end = time.monotonic() + 30
while call("GET", deliveries)["items"][0]["state"] == "sending" and time.monotonic() < end:
    time.sleep(0.1)
call("POST", f"{deliveries}/{handle}/replay")
again = received.get(timeout=60)
assert verify(first, again) == verify(second, again) == payload, "the replay must be the same message, signed with both secrets"
webhook_id = {name.lower(): value for name, value in again[1].items()}["webhook-id"]
assert webhook_id == handle, (webhook_id, handle)
while call("GET", deliveries)["items"][0]["state"] != "delivered" and time.monotonic() < end:
    time.sleep(0.1)
statuses = [attempt["status"] for attempt in call("GET", deliveries)["items"][0]["attempts"]]
assert statuses == [204, 204], statuses
print("webhooks: verified by standardwebhooks, before and after a rotation, and replayed")
