"""A temporary Postgres with durable settings that can be killed. Loopback only."""

import glob, os, pwd, shutil, socket, subprocess, tempfile, time


def find_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A server in a folder of its own. When started by root, its programs run as `postgres`, else as `nobody`."""

    SETTINGS = ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=200", "listen_addresses=127.0.0.1"]

    def __init__(self):
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self.bin = os.environ.get("PG_BIN") or (folders or [os.path.dirname(os.path.realpath(shutil.which("postgres") or ""))])[-1]
        self.user = None
        if os.getuid() == 0:
            users = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in users else "nobody"
        self.folder = tempfile.mkdtemp(prefix="offprint-soak-")
        if self.user:
            shutil.chown(self.folder, self.user)
        self.port = find_free_port()
        self.server = None
        self.run("initdb", "--pgdata", self.data, "--username", "soak", "--auth", "trust", "--no-locale", "--encoding", "UTF8")
        self.start()
        # The service runs as a role that is no superuser.
        self.query("create role offprint login", "postgres")
        self.query("create database offprint owner offprint", "postgres")

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    def url(self, port=None):
        return f"postgres://offprint@127.0.0.1:{port or self.port}/offprint"

    def run(self, program, *arguments):
        result = subprocess.run([os.path.join(self.bin, program), *arguments], user=self.user, cwd="/", capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{program}: {result.stderr.strip()}")
        return result.stdout

    def start(self):
        settings = [word for setting in self.SETTINGS for word in ("-c", setting)]
        command = [os.path.join(self.bin, "postgres"), "-D", self.data, "-p", str(self.port), "-k", self.folder, *settings]
        log = open(os.path.join(self.folder, "log"), "a")
        self.server = subprocess.Popen(command, user=self.user, cwd="/", stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            ready = subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)])
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit("Postgres did not start: " + open(log.name).read()[-2000:])

    def kill(self):
        """Ends every process of the server at once, as a power failure would."""
        self.server.kill()
        # The postmaster's child processes notice that it is gone and exit; the next start has to wait for that.
        self.server.wait()
        for _ in range(200):
            if subprocess.run(["pgrep", "-s", str(self.server.pid)], capture_output=True).returncode:
                break
            subprocess.run(["pkill", "-KILL", "-s", str(self.server.pid)])
            time.sleep(0.02)
        pid = os.path.join(self.data, "postmaster.pid")
        if os.path.exists(pid):
            os.remove(pid)

    def query(self, sql, database="offprint"):
        """Runs a query and returns its rows as lists of texts."""
        output = self.run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "soak", "-d", database, "-XAtq", "-F", "\t", "-c", sql)
        return [line.split("\t") for line in output.splitlines()]

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
