#!/usr/bin/env python3
"""How long the lists of the console take, and the JSON lists behind them, where a company has much: 100,000 jobs, 100,000 assets in
1,000 folders and a folder of thirty levels, and a job of 10,000 items with its files, log, attempts, deliveries and webhooks.

    offprint test-postgres benches/console.py OFFPRINT [REQUESTS] [JOBS]

Starts the binary OFFPRINT with a data folder of its own, on the database DATABASE_URL, which `test-postgres` provides, and fills
it with SQL. Prints for each page the median and the worst of REQUESTS requests over one connection, from the request to the
last byte of the response. Fails when a median is above 300 ms.
"""
import http.client, json, os, statistics, subprocess, sys, tempfile, time, urllib.parse, urllib.request

from client import Client

offprint = sys.argv[1]
requests = int(sys.argv[2]) if len(sys.argv) > 2 else 21
jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
host, port = "127.0.0.1", 8098
TARGET_MS = 300


def start_service(folder):
    settings = {"OFFPRINT_BIND": f"{host}:{port}", "OFFPRINT_DATA_DIR": folder, "OFFPRINT_MAX_JOBS": "1000000"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OFFPRINT_")}
    log = open(os.path.join(folder, "service.log"), "w")
    service = subprocess.Popen([offprint, "serve"], env=environment | settings, stderr=log)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://{host}:{port}/health/ready").close()
            return service
        except OSError:
            time.sleep(0.1)
    sys.exit(f"The service did not start: see {log.name}")


def run_sql(sql):
    # Row-level security shows all rows to connections of this name.
    environment = os.environ | {"PGAPPNAME": "offprint/all"}
    command = ["psql", os.environ["DATABASE_URL"], "-v", "ON_ERROR_STOP=1", "-qAt", "-c", sql]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"psql: {ran.stderr}\n{sql}")
    return ran.stdout.strip()


def copy_rows(table, changes, source, where="true"):
    """Copies the rows of a table that match, once for each row of `source`, with some columns changed."""
    columns = run_sql(f"select string_agg(column_name, ',' order by ordinal_position) from information_schema.columns where table_name = '{table}' and is_generated = 'NEVER'").split(",")
    values = ", ".join(changes.get(column, f"{table}.{column}") for column in columns)
    run_sql(f"insert into {table} ({', '.join(columns)}) select {values} from {table}, {source} where {where}")


def fill(client):
    asset = client.upload("template.txt", b"a file that all assets have")
    template = client.call("POST", "/export-jobs", {"assetHandleArray": [asset], "fmt": "orig", "jobName": "template"})["jobHandle"]
    wait_until_finished(client, template)
    run_sql("insert into company_user (company_id, user_id, name) select company_id, md5('user' || n)::uuid, 'user-' || n from company, generate_series(1, 20) n")
    # 10 seasons with 100 folders of 100 assets each, and one folder far below.
    copy_rows("asset", {
        "asset_id": "md5('asset' || n)::uuid", "name": "'sku-' || lpad(n::text, 6, '0')", "file_name": "'sku-' || lpad(n::text, 6, '0') || '.txt'",
        "folder": "'season-' || n % 10 || '/folder-' || lpad((n / 10 % 100)::text, 2, '0')",
        "metadata": "jsonb_build_object('tags', case when n % 997 = 0 then 'rare, new' else 'shoes, summer' end, 'buyer', 'b-' || n % 5000)",
    }, "generate_series(1, 99000) n", f"asset_id = '{asset}'")
    deep = "/".join(f"level-{level}" for level in range(1, 31))
    copy_rows("asset", {"asset_id": "md5('deep' || n)::uuid", "name": "'deep-' || n", "folder": f"'{deep}'"}, "generate_series(1, 1000) n", f"asset_id = '{asset}'")
    run_sql("analyze asset")
    # A job of many items, which the service itself makes, so that all that belongs to it is there.
    large = client.call("POST", "/export-jobs", {"assetFilter": {"folder": "season-3", "recursive": True}, "fmt": "orig", "jobName": "large"})["jobHandle"]
    wait_until_finished(client, large)
    run_sql(f"""
        insert into destination (company_id, job_id, destination, connection, prefix_template, prefix, on_existing, manifest, planned_files, state, delivered, failed)
        select company_id, job_id, 0, 'shop', '', '', 'overwrite', false, files, 'done', files - 500, 500 from export_job where job_id = '{large}';
        insert into delivery (company_id, job_id, position, rendition, destination, state, failure)
        select company_id, job_id, position, 0, 0, case when position % 20 = 0 then 'failed' else 'delivered' end,
               case when position % 20 = 0 then '{{"code": "delivery-failed", "detail": "The store said no."}}'::jsonb end from export_file where job_id = '{large}';
        insert into task (company_id, task_id, kind, job_id, run, payload, state, ended_at)
        select company_id, gen_random_uuid(), 'webhook', job_id, n, '{{"url": "https://example.org/hook", "type": "export_job.finished", "body": "{{}}"}}', 'done', now()
          from export_job, generate_series(1, 200) n where job_id = '{large}';
        update export_item set state = 'failed', failure = '{{"code": "corrupt", "detail": "The image data is damaged."}}' where job_id = '{large}' and position in (17, 9876);
    """)
    # Almost all are finished; some outcomes, states, owners and names are rare.
    state = "case when n % 50 = 0 then 'scheduled' when n % 101 = 0 then 'paused' when n % 5000 = 7 then 'active' else 'finished' end"
    is_finished = f"({state}) = 'finished'"
    outcome = "case when n % 3001 = 1 then 'stopped' when n % 307 = 1 then 'failed' when n % 37 = 1 then 'partiallyFailed' when n % 11 = 1 then 'succeededWithWarnings' else 'succeeded' end"
    copy_rows("export_job", {
        "job_id": "gen_random_uuid()", "state": state, "outcome": f"case when {is_finished} then {outcome} end",
        "finished_at": f"case when {is_finished} then created_at - n * interval '1 minute' + interval '9 seconds' end",
        "started_at": f"case when {is_finished} then created_at - n * interval '1 minute' end",
        "exec_time": "case when n % 50 = 0 then timestamptz '2099-01-01' end",
        "succeeded": f"case when {is_finished} then succeeded else 0 end",
        "created_at": "created_at - n * interval '1 minute'",
        "user_id": "case when n % 30011 = 1 then md5('user20')::uuid else md5('user' || n % 19 + 1)::uuid end",
        "job_name": "case when n % 20011 = 1 then 'Catalogue ' || n else 'Export ' || n % 1000 || ' of the season' end",
        "metadata": "jsonb_build_object('order', 'A-' || n, 'channel', case when n % 3 = 0 then 'web' else 'print' end)",
    }, f"generate_series(1, {jobs}) n", f"job_id = '{template}'")
    run_sql("vacuum analyze")
    return large, deep


def wait_until_finished(client, job):
    while client.call("GET", f"/export-jobs/{job}?wait=50")["state"] != "finished":
        pass


class Pages:
    """Asks for pages over one connection, as a browser does."""

    def __init__(self):
        self.connection = http.client.HTTPConnection(host, port)
        self.worst = []

    def get(self, path):
        accept = "text/html" if path.startswith("/console") else "application/json"
        self.connection.request("GET", path, headers={"accept": accept, "accept-language": "en"})
        response = self.connection.getresponse()
        return response.status, response.read().decode()

    def measure(self, name, path, pages=0):
        """`pages`: how many pages further the list is shown."""
        for _ in range(pages):
            path = self.find_next(path)
        times = []
        for _ in range(requests):
            started = time.perf_counter()
            status, body = self.get(path)
            times.append((time.perf_counter() - started) * 1000)
            if status not in (200, 422):
                sys.exit(f"{path}: {status} {body[:300]}")
        median = statistics.median(times)
        print(f"| {name} | `{path.split('cursor=')[0]}` | {median:.0f} | {max(times):.0f} |", flush=True)
        if median > TARGET_MS:
            self.worst.append(name)

    def find_next(self, path):
        status, body = self.get(path)
        if path.startswith("/console"):
            cut = body.split('rel="next"')[0].rsplit('href="', 1)[1]
            return cut.split('"')[0].replace("&amp;", "&").replace("&#38;", "&")
        return f"{path}{'&' if '?' in path else '?'}cursor={json.loads(body)['nextCursor']}"

    def find_last(self, path):
        """The last page of a JSON list, in steps of a thousand."""
        last = path
        while True:
            cursor = json.loads(self.get(last)[1])["nextCursor"]
            if cursor is None:
                return last
            last = f"{path}&cursor={cursor}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        service = start_service(folder)
        try:
            started = time.time()
            large, deep = fill(Client(f"http://{host}:{port}"))
            print(f"{jobs} jobs and 100,000 assets in {time.time() - started:.0f} s. Milliseconds of {requests} requests:\n\n| list | request | median | worst |\n|---|---|---|---|")
            measure_pages(Pages(), large, deep)
        finally:
            service.terminate()
            service.wait()


def measure_pages(pages, large, deep):
    quote = urllib.parse.quote
    filters = {
        "all": "", "scheduled": "state=scheduled", "queued": "state=queued", "running: none": "state=running", "paused": "state=paused",
        "finished": "state=finished", "succeeded": "outcome=succeeded", "failed": "outcome=failed", "stopped, rare": "outcome=stopped",
        "state and outcome that exclude each other": "state=paused&outcome=failed", "name, many": "name=Export", "name, some": "name=Export%2099",
        "name, few": "name=Catalogue", "name, none": "name=Nothing",
    }
    for name, query in filters.items():
        pages.measure(f"jobs: {name}", f"/console/jobs?{query}")
        pages.measure(f"JSON: {name}", f"/export-jobs?limit=50&{query}")
    for name, query in {
        "owner": "owner=user-3", "owner, rare": "owner=user-20", "days": "from=2026-01-01&to=2026-12-31", "days, none": "to=2000-01-01",
        "metadata, many": "metadata=" + quote("channel:web"), "metadata, one": "metadata=" + quote("order:A-77777"), "metadata, none": "metadata=" + quote("order:none"),
        "everything": "state=finished&outcome=failed&name=Export&owner=user-3&to=2026-12-31&metadata=" + quote("channel:web"),
        "everything, none": "state=finished&outcome=failed&name=Export&owner=user-20&to=2026-12-31&metadata=" + quote("channel:fax"),
    }.items():
        pages.measure(f"jobs: {name}", f"/console/jobs?{query}")
    pages.measure("JSON: metadata, none", "/export-jobs?limit=50&metadata=" + quote("order:none"))
    pages.measure("jobs: tenth page", "/console/jobs", pages=9)
    for sort in ("-createdAt", "createdAt", "finishedAt", "-finishedAt", "jobName"):
        pages.measure(f"JSON: {sort}", f"/export-jobs?limit=50&sort={sort}")
    for sort in ("-createdAt", "-finishedAt", "jobName"):
        last = pages.find_last(f"/export-jobs?limit=1000&sort={sort}")
        pages.measure(f"JSON: {sort}, last page of 1,000", last)
    own = f"/console/jobs/{large}"
    for name, path in {
        "items": own, "items, failed": f"{own}?state=failed", "items, none": f"{own}?state=skipped", "files": f"{own}/files", "log": f"{own}/log",
        "log, older": f"{own}/log?until=5000", "request": f"{own}/request", "deliveries": f"{own}/deliveries",
    }.items():
        pages.measure(f"job of 10,000: {name}", path)
    pages.measure("job of 10,000: items, later page", own, pages=20)
    for name, path in {
        "items": "items?limit=100", "items, 1,000": "items?limit=1000", "items with attempts": "items?attempts=true&state=failed", "files": "files?limit=1000",
        "events": "events?limit=1000", "deliveries": "deliveries",
    }.items():
        pages.measure(f"job of 10,000, JSON: {name}", f"/export-jobs/{large}/{path}")
    for name, query in {
        "top": "", "folder": "folder=season-3%2Ffolder-33", "season": "folder=season-3", "far below": f"folder={quote(deep, safe='')}", "above it": "folder=level-1%2Flevel-2",
        "name, few": "name=sku-0777", "name, many": "name=sku", "name, none": "name=nothing", "name below a folder": "folder=season-7&name=sku-0777",
        "type, all": "type=Document", "type, none": "type=Video", "tags, many": "tags=shoes", "tags, rare": "tags=rare", "tags, none": "tags=nothing",
        "everything": "folder=season-7&name=sku&type=Document&tags=rare",
    }.items():
        pages.measure(f"assets: {name}", f"/console/assets?{query}")
    for name, query in {
        "all": "", "everything below a folder": "folder=season-3&recursive=true", "name, none": "name=nothing", "metadata, few": "metadata=" + quote("buyer:b-77"),
        "metadata, none": "metadata=" + quote("buyer:nobody"), "changed since": "updatedSince=2099-01-01T00:00:00Z",
    }.items():
        pages.measure(f"assets, JSON: {name}", f"/assets?limit=50&{query}")
    for path in ("exports/new", "presets", "schedules", "usage", "connections", "system"):
        pages.measure(path, f"/console/{path}")
    if pages.worst:
        sys.exit(f"Above {TARGET_MS} ms: {', '.join(pages.worst)}")


main()
