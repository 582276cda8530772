"""The service behind reverse proxies with their default settings, at the root of a host and below a path.

proxies.py OFFPRINT WORK_FOLDER [PROXY...]: nginx, caddy, haproxy; those that are not installed are named and left out.
Nothing is set in a proxy but where the service is and, below a path, that the path is removed.
"""
import json, os, pathlib, shutil, signal, socket, subprocess, sys, time, urllib.error, urllib.parse, urllib.request

offprint, work = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]) / "proxies"
wanted = sys.argv[3:] or ["nginx", "caddy", "haproxy"]
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
processes, failures = [], []


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(name, *command, **environment):
    log = open(work / f"{name}.log", "wb")
    process = subprocess.Popen(command, env=dict(os.environ, **environment), stdout=log, stderr=log)
    processes.append(process)
    return process


def start_service(name, **settings):
    port = free_port()
    settings |= {"OFFPRINT_DATA_DIR": str(work / name), "OFFPRINT_BIND": f"127.0.0.1:{port}", "OFFPRINT_AUTH": "open"}
    start(name, offprint, "serve", **settings)
    return port


def wait_for(url):
    for _ in range(300):
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer. The logs are in {work}.")


def nginx(port, at_root, at_path, below):
    folders = "".join(f"{kind}_temp_path {work}/nginx-{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "nginx.conf").write_text(
        f"""worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx-error.log; events {{}}
http {{ access_log off; {folders}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{at_root}; }} }}
  server {{ listen 127.0.0.1:{below}; location /offprint/ {{ proxy_pass http://127.0.0.1:{at_path}/; }} }} }}"""
    )
    return ["nginx", "-p", str(work), "-c", str(work / "nginx.conf"), "-g", "daemon off;"]


def caddy(port, at_root, at_path, below):
    (work / "Caddyfile").write_text(
        f"""{{
  admin off
  auto_https off
}}
:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{at_root}
}}
:{below} {{
  bind 127.0.0.1
  handle_path /offprint/* {{
    reverse_proxy 127.0.0.1:{at_path}
  }}
}}"""
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(work / "Caddyfile")]


def haproxy(port, at_root, at_path, below):
    # haproxy has no defaults for its three time-outs; these are those of its manual and of Debian.
    (work / "haproxy.cfg").write_text(
        f"""defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 60s
frontend root
  bind 127.0.0.1:{port}
  default_backend at_root
backend at_root
  server offprint 127.0.0.1:{at_root}
frontend path
  bind 127.0.0.1:{below}
  default_backend at_path
backend at_path
  http-request replace-path /offprint(/.*) \\1
  server offprint 127.0.0.1:{at_path}
"""
    )
    return ["haproxy", "-f", str(work / "haproxy.cfg")]


class Client:
    """Follows the addresses that it is given, as clients do: relative to what it asked for."""

    def __init__(self, base):
        self.base = base

    def url(self, address):
        return address if "://" in address else urllib.parse.urljoin(self.base + "/", address)

    def ask(self, method, address, body=None, **headers):
        url = self.url(address)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None and not isinstance(body, bytes):
            headers["content-type"] = "application/json"
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=90)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.headers, answer.read()

    def get(self, address, **headers):
        status, headers, body = self.ask("GET", address, **headers)
        assert status == 200, f"GET {address}: {status} {body[:200]}"
        return headers, body


def upload(client, name, content):
    form = b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"%s\"\r\n\r\n%s\r\n--x\r\n" % (name, content)
    form += b"content-disposition: form-data; name=\"folder\"\r\n\r\nproxies\r\n--x--\r\n"
    status, headers, body = client.ask("POST", f"{client.base}/assets", form, content_type="multipart/form-data; boundary=x")
    assert status == 201, f"upload: {status} {body[:200]}"
    asset = json.loads(client.get(urllib.parse.urljoin(f"{client.base}/assets", headers["location"]))[1])
    assert asset["folder"] == "proxies", asset
    return asset


def post_without_body(client, path):
    """As curl does: without `Content-Length`, which Python would add."""
    url = client.base + path
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--request", "POST", url]
    status = subprocess.run(command, capture_output=True, text=True).stdout
    assert status == "200", f"POST {path}: {status}"


def check_job(client):
    first, second = upload(client, b"a.txt", b"a" * 100_000), upload(client, b"b.txt", b"b" * 500_000)
    order = {"assetHandleArray": [first["assetHandle"], second["assetHandle"]], "fmt": "orig"}
    status, headers, body = client.ask("POST", f"{client.base}/export-jobs", order)
    assert status == 202, body
    location = urllib.parse.urljoin(f"{client.base}/export-jobs", headers["location"])
    job = json.loads(body)
    while job["state"] != "finished":
        job = json.loads(client.get(f"{location}?wait=20")[1])
    assert job["outcome"] == "succeeded", job
    for address in job["links"].values():
        client.get(urllib.parse.urljoin(location, address))
    files = json.loads(client.get(urllib.parse.urljoin(location, job["links"]["files"]))[1])["items"]
    content = client.get(urllib.parse.urljoin(location, files[0]["href"]))[1]
    assert content == b"a" * 100_000
    archive = urllib.parse.urljoin(location, job["links"]["archive"])
    headers, whole = client.get(archive)
    status, _, part = client.ask("GET", archive, range="bytes=1000-", if_match=headers["etag"])
    assert (status, part) == (206, whole[1000:]), status
    status, _, _ = client.ask("GET", archive, range="bytes=1000-", if_match='"another"')
    assert status == 412, status


def check_actions(client):
    asset = upload(client, b"c.txt", b"c")
    order = {"assetHandleArray": [asset["assetHandle"]], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"}
    job = json.loads(client.ask("POST", f"{client.base}/export-jobs", order)[2])["jobHandle"]
    for action in ("pause", "resume"):
        post_without_body(client, f"/export-jobs/{job}/{action}")
    etag = client.ask("GET", f"{client.base}/export-jobs/{job}")[1]["etag"]
    began = time.monotonic()
    status, _, _ = client.ask("GET", f"{client.base}/export-jobs/{job}?wait=60", if_none_match=etag)
    took = time.monotonic() - began
    assert status == 304 and 45 < took < 58, f"wait=60: {status} after {took:.1f} s"
    stream = urllib.request.Request(f"{client.base}/export-jobs/{job}/events", headers={"accept": "text/event-stream"})
    began = time.monotonic()
    with urllib.request.urlopen(stream, timeout=30) as events:
        line = events.readline()
    assert line.startswith(b"retry:") and time.monotonic() - began < 5, line
    post_without_body(client, f"/export-jobs/{job}/stop")


def check_lists_and_pages(client):
    headers, _ = client.get(f"{client.base}/assets?folder=proxies&limit=1")
    following = headers["link"].split(">")[0].lstrip("<")
    client.get(urllib.parse.urljoin(f"{client.base}/assets", following))
    for path in ("/", "/health/live", "/info", "/swagger-ui/", "/openapi.json", "/metrics"):
        client.get(client.base + path)
        status, _, body = client.ask("HEAD", client.base + path)
        assert (status, body) == (200, b""), f"HEAD {path}: {status}"
    document = json.loads(client.get(f"{client.base}/openapi.json")[1])
    server = urllib.parse.urljoin(f"{client.base}/openapi.json", document["servers"][0]["url"]).rstrip("/")
    client.get(f"{server}/info")
    status, _, body = client.ask("GET", f"{client.base}/assets/nothing")
    client.get(urllib.parse.urljoin(f"{client.base}/assets/nothing", json.loads(body)["type"]))


def check_resumable_upload(client):
    content = b"resumable " * 50_000
    creation = {"tus-resumable": "1.0.0", "upload-length": str(len(content)), "upload-metadata": "filename dC50eHQ="}
    status, headers, body = client.ask("POST", f"{client.base}/uploads", b"", **creation)
    assert status == 201, f"{status} {body[:200]}"
    location = urllib.parse.urljoin(f"{client.base}/uploads", headers["location"])
    for begin, end in ((0, 100_000), (100_000, len(content))):
        part = {"tus-resumable": "1.0.0", "upload-offset": str(begin), "content-type": "application/offset+octet-stream"}
        status, headers, body = client.ask("PATCH", location, content[begin:end], **part)
        assert status == 204, f"{status} {body[:200]}"
    asset = json.loads(client.get(f"{client.base}/assets/{headers['asset-handle']}")[1])
    assert asset["size"] == len(content)


def check_command_line(client, name):
    folder = work / "pushed"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_bytes(b"pushed " * 100)
    environment = dict(os.environ, OFFPRINT_URL=client.base)
    out = work / f"{name}.zip"
    for command in (["push", str(folder), "--folder", name], ["export", "--folder", name, "--fmt", "orig", "--out", str(out)]):
        done = subprocess.run([offprint, *command], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr


def run(name, base, checks):
    client = Client(base)
    for check in checks:
        try:
            check(client)
            print("ok    ", name, check.__name__, flush=True)
        except Exception as error:
            failures.append(name)
            print("FAILED", name, check.__name__, error, flush=True)


def check_command_line_of(name, place, base):
    def check_push_and_export(client):
        check_command_line(client, f"{name}-{place}")

    run(f"{name} at {place}", base, [check_push_and_export])


def main():
    installed = [name for name in wanted if shutil.which(name)]
    for name in set(wanted) - set(installed):
        print("absent", name, "is not installed: apt-get install", name)
    if not installed:
        sys.exit("No proxy is installed.")
    for name in installed:
        at_root, port, below = start_service(f"{name}-root"), free_port(), free_port()
        base = f"http://127.0.0.1:{below}/offprint"
        at_path = start_service(f"{name}-path", OFFPRINT_PUBLIC_URL=base)
        for service in (at_root, at_path):
            wait_for(f"http://127.0.0.1:{service}/health/ready")
        start(name, *globals()[name](port, at_root, at_path, below))
        wait_for(f"http://127.0.0.1:{port}/health/live")
        checks = [check_job, check_lists_and_pages, check_resumable_upload, check_actions]
        run(f"{name} at /", f"http://127.0.0.1:{port}", checks)
        check_command_line_of(name, "root", f"http://127.0.0.1:{port}")
        run(f"{name} at /offprint", base, checks)
        check_command_line_of(name, "path", base)


try:
    main()
finally:
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
sys.exit(1 if failures else 0)
