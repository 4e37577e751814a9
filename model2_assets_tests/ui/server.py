"""``dagster dev`` or ``dg dev`` on a Dagster home of the test's own."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from model2_assets_tests.defs.daemon import DaemonHome, end_session, wait_until

HOST = "127.0.0.1"


@contextmanager
def served(home: DaemonHome, command: Sequence[str] = ()) -> Iterator[str]:
    """Serve the UI, yield its URL, and end the server and all that it started."""
    command = command or (sys.executable, "-m", "dagster", "dev", *home.definitions)
    port = free_port()
    log = home.folder / "dev.log"
    # A shell's background process ignores these signals, and so would what it starts.
    with_signals = ["env", "--default-signal=INT,TERM", *command]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*with_signals, "--host", HOST, "--port", str(port)],
            env=home.environment,
            cwd=home.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

        def answers() -> bool:
            assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
            return is_served(port)

        try:
            wait_until(answers, seconds=90, what=f"dagster dev answers; see {log}")
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            end_session(process.pid)
            process.wait(timeout=10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_served(port: int) -> bool:
    """Tell whether the web server answers on a port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
