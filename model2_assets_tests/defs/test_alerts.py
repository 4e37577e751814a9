"""Alerts, from real runs to a real mail server and a local stand-in for Slack's."""

import json
import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shutil import which
from typing import Any, ClassVar
from urllib.parse import parse_qs

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from model2_assets.config import parse_config
from model2_assets.config.sections import AlertsConfig
from model2_assets.defs.alerts import alert_hooks, lost_runs_sensor, open_channels
from model2_assets.defs.build import build_definitions
from model2_assets.errors import ConfigError
from model2_assets.storage import Store

PASSWORD, TOKEN = "correct horse", "xoxb-secret"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def failing_asset(config: AlertsConfig, *, severity: Any = WARN, fails: bool = False) -> Any:
    specs = [dg.AssetCheckSpec("good", asset="scores"), dg.AssetCheckSpec("range", asset="scores")]

    @dg.asset(check_specs=specs, hooks=alert_hooks(config))
    def scores():
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(check_name="good", passed=True)
        yield dg.AssetCheckResult(
            check_name="range",
            passed=False,
            severity=severity,
            description="3 rows beyond ±1000 bps, first S000",
        )
        if fails:
            raise dg.Failure("not published", allow_retries=False)

    return scores


def run(asset: Any) -> tuple[dg.ExecuteInProcessResult, list[tuple[int, str]]]:
    """Materialize; return the result and the run's log lines of our hook."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance, raise_on_error=False)
        logged = [
            (entry.level, entry.user_message)
            for entry in instance.all_logs(result.run_id)
            if entry.dagster_event is None
        ]
    return result, logged


@pytest.mark.parametrize(("severity", "level"), [(WARN, logging.WARNING), (ERROR, logging.ERROR)])
def test_every_failed_check_is_a_line_of_the_run_log_at_its_level(
    severity: Any, level: int
) -> None:
    result, logged = run(failing_asset(AlertsConfig(), severity=severity))

    text = "check range of scores failed: 3 rows beyond ±1000 bps, first S000"
    assert (level, text) in logged
    assert result.success
    assert not any("good" in line for _, line in logged)


def test_step_that_failed_by_its_checks_is_told_once() -> None:
    _, logged = run(failing_asset(AlertsConfig(), severity=ERROR, fails=True))

    told = [line for level, line in logged if level == logging.ERROR]
    assert told == ["check range of scores failed: 3 rows beyond ±1000 bps, first S000"]


def test_failed_step_is_told_with_its_reason() -> None:
    @dg.asset(hooks=alert_hooks(AlertsConfig()))
    def scores() -> None:
        raise ValueError("no fit today")

    _, logged = run(scores)

    assert (logging.ERROR, "step scores failed: ValueError: no fit today") in logged


def test_nothing_failed_tells_nothing() -> None:
    @dg.asset(hooks=alert_hooks(AlertsConfig()))
    def scores() -> None: ...

    result, logged = run(scores)

    assert logged == []
    assert result.success


def test_every_step_of_a_region_carries_the_hook() -> None:
    definitions = build_definitions(parse_config({}), Store("memory://alerts"))

    job = definitions.resolve_implicit_global_asset_job_def()

    for node in job.nodes:
        hooks = job.get_all_hooks_for_handle(
            dg._core.definitions.dependency.NodeHandle(node.name, None)
        )
        assert {hook.name for hook in hooks} == {"alerts_of_warnings", "alerts_of_failures"}, (
            node.name
        )


def test_failed_check_of_what_is_on_disk_is_told_too(tmp_path: Path) -> None:
    definitions = build_definitions(parse_config({}), Store(str(tmp_path)))
    key = dg.AssetCheckKey(dg.AssetKey(["us", "labels"]), "stored")
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.get_subset(asset_check_selection={key}).execute_in_process(
            instance=instance, raise_on_error=False
        )
        logs = instance.all_logs(result.run_id)

    told = [entry.user_message for entry in logs if entry.dagster_event is None]
    assert any(line.startswith("check stored of us/labels failed: ") for line in told)


class Slack(BaseHTTPRequestHandler):
    """Answers as chat.postMessage does."""

    received: ClassVar[list[dict[str, str]]] = []
    answer: ClassVar[dict[str, Any]] = {"ok": True}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        values = (
            json.loads(body)
            if body.startswith("{")
            else {name: found[0] for name, found in parse_qs(body).items()}
        )
        self.received.append(
            {**values, "path": self.path, "authorization": self.headers["Authorization"]}
        )
        answer = json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertsConfig]:
    monkeypatch.setenv("SLACK_TOKEN", TOKEN)
    Slack.received.clear()
    Slack.answer = {"ok": True}
    server = HTTPServer(("127.0.0.1", 0), Slack)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/api/"
    yield AlertsConfig.model_validate({"slack": {"channel": "#models", "base_url": url}})
    server.shutdown()
    thread.join()
    server.server_close()


def test_slack_is_sent_one_message_a_step(slack: AlertsConfig) -> None:
    result, _ = run(failing_asset(slack, severity=ERROR))

    (message,) = Slack.received
    assert message["path"] == "/api/chat.postMessage"
    assert message["channel"] == "#models"
    assert message["authorization"] == f"Bearer {TOKEN}"
    assert message["text"] == (
        "[ERROR] check range of scores failed: 3 rows beyond ±1000 bps, first S000\n"
        f"run {result.run_id}"
    )


def test_slack_that_refuses_fails_no_run_and_tells_no_secret(slack: AlertsConfig) -> None:
    Slack.answer = {"ok": False, "error": f"invalid_auth {TOKEN}"}

    result, logged = run(failing_asset(slack))

    assert result.success
    (line,) = [line for _, line in logged if "alert not sent" in line]
    assert line.startswith("alert not sent by slack: SlackApiError: ")
    assert "invalid_auth ***" in line
    assert TOKEN not in str(logged)
    assert TOKEN not in repr(slack)


class Mailbox:
    def __init__(self) -> None:
        self.received: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.received.append((envelope, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


def email_config(port: int, **settings: Any) -> AlertsConfig:
    email = {
        "sender": "models@example.com",
        "recipients": ["desk@example.com", "risk@example.com"],
        "host": "localhost",
        "port": port,
        **settings,
    }
    return AlertsConfig.model_validate({"email": email})


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def relay(mailbox: Mailbox) -> Iterator[AlertsConfig]:
    port = free_port()
    controller = Controller(mailbox, hostname="localhost", port=port)
    controller.start()
    yield email_config(port, security="none")
    controller.stop()


def check_message(mailbox: Mailbox, run_id: str) -> None:
    ((envelope, message),) = mailbox.received
    assert envelope.mail_from == "models@example.com"
    assert envelope.rcpt_tos == ["desk@example.com", "risk@example.com"]
    text = "check range of scores failed: 3 rows beyond ±1000 bps, first S000"
    assert message["Subject"] == f"model2 failed: {text}"
    assert message.get_content().splitlines() == [f"[ERROR] {text}", f"run {run_id}"]


def test_local_relay_is_sent_an_email(relay: AlertsConfig, mailbox: Mailbox) -> None:
    result, logged = run(failing_asset(relay, severity=ERROR))

    assert not any("not sent" in line for _, line in logged)
    check_message(mailbox, result.run_id)


@pytest.fixture
def encrypted(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AlertsConfig]:
    if which("openssl") is None:
        pytest.skip("openssl, which makes the server's certificate, is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = free_port()
    controller = Controller(
        mailbox,
        hostname="localhost",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=mailbox.authenticate,
        auth_required=True,
    )
    controller.start()
    yield email_config(port, user="model2", password_variable="SMTP_PASSWORD")
    controller.stop()


def test_email_is_sent_encrypted_and_logged_in(encrypted: AlertsConfig, mailbox: Mailbox) -> None:
    result, logged = run(failing_asset(encrypted, severity=ERROR))

    assert not any("not sent" in line for _, line in logged)
    check_message(mailbox, result.run_id)
    assert mailbox.logins == [(b"model2", PASSWORD.encode())]


def test_wrong_password_fails_no_run_and_is_not_told(
    encrypted: AlertsConfig, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "battery staple")

    result, logged = run(failing_asset(encrypted))

    assert result.success
    assert mailbox.received == []
    (line,) = [line for _, line in logged if "not sent" in line]
    assert line.startswith("alert not sent by email: SMTPAuthenticationError")
    assert "battery staple" not in str(logged)


def test_server_that_is_gone_fails_no_run(relay: AlertsConfig) -> None:
    result, logged = run(failing_asset(email_config(1, security="none")))

    assert result.success
    assert any("alert not sent by email: ConnectionRefusedError" in line for _, line in logged)


@pytest.mark.parametrize(
    ("alerts", "message"),
    [
        (
            {"slack": {"channel": "#models", "token_variable": "NO_SUCH_TOKEN"}},
            "alerts.slack.token_variable: the environment variable NO_SUCH_TOKEN is not set",
        ),
        (
            {
                "email": {
                    "sender": "a@b.c",
                    "recipients": ["d@e.f"],
                    "host": "h",
                    "password_variable": "NO_SUCH_PASSWORD",
                }
            },
            "alerts.email.password_variable: the environment variable NO_SUCH_PASSWORD is not set",
        ),
    ],
)
def test_missing_secret_is_named_before_anything_runs(alerts: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_definitions(parse_config({"alerts": alerts}), Store("memory://alerts"))


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ({}, "security starttls logs in, so it needs a password_variable"),
        ({"security": "none", "user": "u"}, "security none sends no login"),
        ({"sender": "nobody"}, "alerts.email.sender"),
        ({"recipients": []}, "alerts.email.recipients"),
        ({"password": "secret"}, "alerts.email.password: unknown key"),
    ],
)
def test_mistakes_are_named(email: Any, message: str) -> None:
    valid = {"sender": "a@b.c", "recipients": ["d@e.f"], "host": "h"}
    with pytest.raises(ConfigError, match=message):
        parse_config({"alerts": {"email": {**valid, **email}}})


def test_slack_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model2_assets.defs.alerts.find_spec", lambda name: None)
    config = AlertsConfig.model_validate({"slack": {"channel": "#models"}})

    with pytest.raises(ConfigError, match="install the extra slack"):
        open_channels(config)


def test_run_that_was_killed_is_told_and_one_with_a_failed_step_is_not(
    relay: AlertsConfig, mailbox: Mailbox
) -> None:
    @dg.asset
    def scores(context: dg.AssetExecutionContext) -> None:
        raise ValueError("no fit today")

    definitions = dg.Definitions([scores])
    job = definitions.resolve_implicit_global_asset_job_def()
    sensor = lost_runs_sensor(relay)
    with dg.DagsterInstance.ephemeral() as instance:
        failed = job.execute_in_process(instance=instance, raise_on_error=False)
        killed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(killed, message="the process is gone")
        for run_id in (failed.run_id, killed.run_id):
            found = instance.get_run_by_id(run_id)
            assert found is not None
            (event,) = [
                entry.dagster_event
                for entry in instance.all_logs(run_id)
                if entry.dagster_event is not None and entry.dagster_event.is_job_failure
            ]
            context = dg.build_run_status_sensor_context(
                "lost_runs", event, instance, found
            ).for_run_failure()
            sensor(context)

    ((_, message),) = mailbox.received
    assert f"run {killed.run_id}" in message.get_content()
    assert "was lost: the process is gone" in message.get_content()
