"""A server of the S3 protocol on loopback, buckets in it, and a proxy that plants faults."""

import http.client
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from moto.server import ThreadedMotoServer

from model2_assets.storage.s3 import ObjectStore

SETTINGS = {
    "AWS_ACCESS_KEY_ID": "one-of-moto",
    "AWS_SECRET_ACCESS_KEY": "one-of-moto-too",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server, which the environment names, while the block runs; yield its URL."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with environment(**SETTINGS, AWS_ENDPOINT_URL=f"http://{host}:{port}"):
            yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables while the block runs; clients that were made before are not used again."""
    kept = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    _forget_clients()
    try:
        yield
    finally:
        _forget_clients()
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_forgotten: list[ObjectStore] = []
"""Clients that are not used again; collected, they would warn of sockets that nobody closed."""


def _forget_clients() -> None:
    _forgotten.extend(ObjectStore._cache.values())
    ObjectStore.clear_instance_cache()


def new_bucket() -> str:
    """Make an empty bucket at the server of the environment; return a base path in it."""
    name = f"bucket-{uuid.uuid4().hex}"
    ObjectStore().call_s3("create_bucket", Bucket=name)
    return f"s3://{name}/results"


Fault = Callable[[str, str], str | int | float | None]
"""Of a method and a path: a status to answer, seconds to wait before the request is handed on,
``drop`` for no answer, ``drop reply`` for none after the server has done it, ``unconditional``
for a server that knows no conditions; None where nothing goes wrong."""


@contextmanager
def proxy(
    target: str, fault: Fault, *, clock: timedelta = timedelta(0)
) -> Iterator[list[tuple[str, str, int]]]:
    """Run a proxy in front of a server, named by the environment, while the block runs.

    Yielded is the list of all requests that were handed on, and what the server answered. Its
    clock goes so much fast.
    """
    server = _Proxy(target, fault, clock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with environment(AWS_ENDPOINT_URL=url):
            yield server.handed_on
    finally:
        server.shutdown()
        server.server_close()


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, fault: Fault, clock: timedelta) -> None:
        self.target, self.fault, self.clock = urlsplit(target).netloc, fault, clock
        self.handed_on: list[tuple[str, str, int]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection(self.target, timeout=60)) as server:
            server.request(method, path, body=body, headers=headers)
            reply = server.getresponse()
            content, answered = reply.read(), dict(reply.getheaders())
        if "Date" in answered:
            date = parsedate_to_datetime(answered["Date"]) + self.clock
            answered["Date"] = format_datetime(date, usegmt=True)
        self.handed_on.append((method, path, reply.status))
        return reply.status, answered, content


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        planted = self.server.fault(self.command, self.path)
        if isinstance(planted, float):
            time.sleep(planted)
        if isinstance(planted, int):
            self._answer(planted, {}, _error(planted))
            return
        if planted != "drop":
            dropped = ("if-match", "if-none-match") if planted == "unconditional" else ()
            headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
            answer = self.server.forward(self.command, self.path, headers, body)
            if planted != "drop reply":
                self._answer(*answer)
                return
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        is_head = self.command == "HEAD"
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if is_head else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if not is_head:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def _error(status: int) -> bytes:
    code = {503: "SlowDown", 500: "InternalError", 403: "AccessDenied"}[status]
    said = "Please reduce your request rate." if status == 503 else "Planted."
    return f"<Error><Code>{code}</Code><Message>{said}</Message></Error>".encode()
