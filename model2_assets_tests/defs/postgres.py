"""A real PostgreSQL server in a folder, for one test."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SYSTEM_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
"""Where Debian keeps the programs of a server, the newest first."""


def server_programs() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``; None where there is no PostgreSQL."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *map(str, SYSTEM_FOLDERS)])
    found = shutil.which("initdb", path=search)
    return Path(found).resolve().parent if found else None


def why_no_server() -> str:
    """Return why no server can run here; empty where one can."""
    if server_programs() is None:
        return "there is no PostgreSQL server on this machine"
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        return "root has no user postgres to run the server as"
    return ""


@dataclass(frozen=True)
class Server:
    """A server that listens on this machine alone."""

    port: int
    password: str
    data: Path

    def stop(self) -> None:
        """End all its processes at once, as if they were killed; what was committed stays."""
        _run("pg_ctl", self.data, "-w", "-m", "immediate", "stop")

    def start(self) -> None:
        """Serve, until it is stopped."""
        options = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories=''"
        _run("pg_ctl", self.data, "-w", "-l", f"{self.data}.log", "-o", options, "start")

    def url(self, password: str | None = None, *, port: int | None = None) -> str:
        """Return what SQLAlchemy connects to, by default with the password that is right."""
        secret = quote(password or self.password)
        return f"postgresql+psycopg2://dagster:{secret}@127.0.0.1:{port or self.port}/postgres"


@contextmanager
def temporary_server(password: str) -> Iterator[Server]:
    """Serve in a folder that is gone at the end."""
    # Not below pytest's folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running_server(Path(folder) / "server", password=password) as server:
            yield server


@contextmanager
def running_server(folder: Path, *, password: str) -> Iterator[Server]:
    """Make a database whose user ``dagster`` has a password, serve it, and stop at the end.

    PostgreSQL refuses to run as root; root lends it the user that Debian has made for it.
    """
    user = _server_user()
    folder.mkdir()
    (folder / "password").write_text(password, encoding="utf-8")
    if user:
        owner = pwd.getpwnam(user)
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    server = Server(_free_port(), password, folder / "data")
    options = ("-U", "dagster", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    _run("initdb", server.data, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _run(program: str, data: Path, *arguments: str) -> None:
    programs = server_programs()
    assert programs is not None
    command = [str(programs / program), "-D", str(data), *arguments]
    user = _server_user()
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, timeout=120)


def _server_user() -> str | None:
    return "postgres" if os.geteuid() == 0 else None


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
