"""A Postgres with durable settings that is killed and thrown away. Loopback only."""

import glob, os, pwd, shutil, socket, subprocess, tempfile, time


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Postgres:
    """A cluster in a folder of its own. As root its programs run as `postgres`, else `nobody`."""

    SETTINGS = ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=200", "listen_addresses=127.0.0.1"]

    def __init__(self):
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self.bin = os.environ.get("PG_BIN") or (folders or [os.path.dirname(os.path.realpath(shutil.which("postgres") or ""))])[-1]
        self.user = None
        if os.getuid() == 0:
            known = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in known else "nobody"
        self.folder = tempfile.mkdtemp(prefix="offprint-soak-")
        if self.user:
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self.server = None
        self.run("initdb", "--pgdata", self.data, "--username", "soak", "--auth", "trust", "--no-locale", "--encoding", "UTF8")
        self.start()
        # Not the superuser: the service runs as a role like any other.
        self.query("create role offprint login", "postgres")
        self.query("create database offprint owner offprint", "postgres")

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    def url(self, port=None):
        return f"postgres://offprint@127.0.0.1:{port or self.port}/offprint"

    def run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.bin, program), *arguments], user=self.user, cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{program}: {done.stderr.strip()}")
        return done.stdout

    def start(self):
        settings = [word for setting in self.SETTINGS for word in ("-c", setting)]
        command = [os.path.join(self.bin, "postgres"), "-D", self.data, "-p", str(self.port), "-k", self.folder, *settings]
        log = open(os.path.join(self.folder, "log"), "a")
        self.server = subprocess.Popen(command, user=self.user, cwd="/", stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            done = subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)])
            if done.returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit("Postgres did not start: " + open(log.name).read()[-2000:])

    def kill(self):
        """Ends every process of the server as a power cut would."""
        self.server.kill()
        # What the postmaster leaves behind sees that it is gone and ends; the next start waits for that.
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
        """Rows of texts."""
        said = self.run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "soak", "-d", database, "-XAtq", "-F", "\t", "-c", sql)
        return [line.split("\t") for line in said.splitlines()]

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
