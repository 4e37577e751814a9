"""Failed checks and steps, told as they happen: logged, and sent where that is configured."""

import logging
import os
import smtplib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from functools import cache
from importlib.util import find_spec

import dagster as dg
from dagster._core.definitions.decorators.hook_decorator import event_list_hook

from model2_assets.config.sections import AlertsConfig, EmailConfig, SlackConfig
from model2_assets.defs.partitions import PARTITION_TAG
from model2_assets.defs.run_result import failure_reason
from model2_assets.errors import ConfigError

_LEVELS = {
    dg.AssetCheckSeverity.ERROR: logging.ERROR,
    dg.AssetCheckSeverity.WARN: logging.WARNING,
}


@dataclass(frozen=True)
class Alert:
    """One thing that failed.

    Attributes
    ----------
    level : int
        ``logging.ERROR`` or ``logging.WARNING``.
    text : str
        One sentence that names the asset, the partition and the figures.
    """

    level: int
    text: str


def alerts_of(events: Iterable[dg.DagsterEvent]) -> Iterator[Alert]:
    """Return what failed in a step.

    Parameters
    ----------
    events : iterable of DagsterEvent
        The events of the step.

    Yields
    ------
    Alert
        One per failed check, and one if the step failed for another reason.
    """
    rejected = False
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                rejected |= check.severity == dg.AssetCheckSeverity.ERROR
                yield Alert(_LEVELS[check.severity], _check_text(check))
        elif event.is_step_failure and not rejected:
            yield Alert(logging.ERROR, f"step {event.step_key} failed: {failure_reason(event)}")


def subject_of(alerts: Sequence[Alert]) -> str:
    """Return one line over several alerts."""
    failed = sum(alert.level >= logging.ERROR for alert in alerts)
    word = "failed" if failed else "warning"
    return f"model2 {word}: {alerts[0].text}"[:150]


def _check_text(check: dg.AssetCheckEvaluation) -> str:
    where = f" of {check.partition}" if check.partition else ""
    asset = check.asset_key.to_user_string()
    return f"check {check.check_name} of {asset}{where} failed: {check.description}"


TIMEOUT_SECONDS = 20

_PORTS = {"ssl": 465, "starttls": 587, "none": 25}


def open_channels(config: AlertsConfig) -> None:
    """Refuse channels that could not be used, before anything runs.

    Parameters
    ----------
    config : AlertsConfig
        The channels.

    Raises
    ------
    ConfigError
        If a package or an environment variable is missing; names it and the remedy.
    """
    if config.slack is not None:
        if find_spec("dagster_slack") is None:
            raise ConfigError(
                "alerts.slack: dagster-slack is not installed; install the extra slack, or set "
                "alerts.slack to null"
            )
        _secret("alerts.slack.token_variable", config.slack.token_variable)
    if config.email is not None and config.email.password_variable is not None:
        _secret("alerts.email.password_variable", config.email.password_variable)


def send_everywhere(
    config: AlertsConfig, alerts: Sequence[Alert], *, run_id: str, log: logging.Logger
) -> None:
    """Send alerts to every channel that is configured.

    Parameters
    ----------
    config : AlertsConfig
        The channels.
    alerts : sequence of Alert
        At least one; they become one message.
    run_id : str
        Named in the message.
    log : logging.Logger
        Where it is said what could not be sent; nothing is raised.
    """
    lines = [f"[{logging.getLevelName(alert.level)}] {alert.text}" for alert in alerts]
    text = "\n".join([*lines, f"run {run_id}"])
    if config.slack is not None:
        slack = config.slack
        _attempt("slack", slack.token_variable, log, lambda: send_slack(slack, text))
    if config.email is not None:
        email = config.email
        subject = subject_of(alerts)
        _attempt("email", email.password_variable, log, lambda: send_email(email, subject, text))


def send_slack(config: SlackConfig, text: str) -> None:
    """Post a message by Dagster's Slack integration.

    Parameters
    ----------
    config : SlackConfig
        Channel and token.
    text : str
        The message.

    Raises
    ------
    ConfigError
        If the environment variable of the token is missing.
    slack_sdk.errors.SlackApiError
        If Slack refuses it.
    """
    from dagster_slack import SlackResource

    token = _secret("alerts.slack.token_variable", config.token_variable)
    client = SlackResource(token=token).get_client()
    client.base_url, client.timeout = config.base_url, TIMEOUT_SECONDS
    client.chat_postMessage(channel=config.channel, text=text)


def send_email(config: EmailConfig, subject: str, text: str) -> None:
    """Send an e-mail.

    Parameters
    ----------
    config : EmailConfig
        Server, login and addresses.
    subject, text : str
        The message.

    Raises
    ------
    ConfigError
        If the environment variable of the password is missing.
    OSError
        If the server cannot be reached or refuses it.
    """
    from dagster._utils.alert import send_email_via_ssl, send_email_via_starttls

    # Not folded: Python folds words that are not ASCII into doubled spaces.
    message = EmailMessage(policy.SMTP.clone(max_line_length=998))
    message["From"], message["To"] = config.sender, ", ".join(config.recipients)
    message["Subject"] = " ".join(subject.split())
    message.set_content(text, cte="base64")
    port = config.port or _PORTS[config.security]
    with _sockets_that_give_up():
        if config.security == "none":
            with smtplib.SMTP(config.host, port) as server:
                server.send_message(message)
            return
        send = {"ssl": send_email_via_ssl, "starttls": send_email_via_starttls}[config.security]
        send(
            email_from=config.sender,
            email_password=_secret(
                "alerts.email.password_variable", config.password_variable or ""
            ),
            email_to=list(config.recipients),
            message=message.as_string(),
            smtp_host=config.host,
            smtp_port=port,
            smtp_user=config.user or config.sender,
        )


def _attempt(
    channel: str, variable: str | None, log: logging.Logger, send: Callable[[], None]
) -> None:
    """Send, and log what went wrong, without the secret."""
    try:
        send()
    except Exception as error:
        secret = os.environ.get(variable or "", "")
        reason = str(error).replace(secret, "***") if secret else str(error)
        log.warning(f"alert not sent by {channel}: {type(error).__name__}: {reason}")


def _secret(key: str, variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(f"{key}: the environment variable {variable} is not set; set it")
    return value


@contextmanager
def _sockets_that_give_up() -> Iterator[None]:
    """Bound the waiting of connections whose functions take no timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@cache
def alert_hook(config: AlertsConfig) -> dg.HookDefinition:
    """Return the hook that tells of the failed checks of a step, and of its failure.

    Each is a line of the run's log, so it is on the console too; then all are sent as one
    message where the configuration names a channel. Failed checks of level warn, which fail
    no step, are told as well.

    Parameters
    ----------
    config : AlertsConfig
        Where to send it.

    Returns
    -------
    HookDefinition
        For ``hooks`` of an asset. It never fails a run: what cannot be sent is logged.
    """

    def alerts(
        context: dg.HookContext, event_list: list[dg.DagsterEvent]
    ) -> dg.HookExecutionResult:
        found = list(alerts_of(event_list))
        for alert in found:
            context.log.log(alert.level, alert.text)
        if found:
            send_everywhere(config, found, run_id=context.run_id, log=context.log)
        return dg.HookExecutionResult("alerts", is_skipped=not found)

    hook: dg.HookDefinition = event_list_hook(name="alerts")(alerts)
    return hook


def lost_runs_sensor(config: AlertsConfig) -> dg.SensorDefinition:
    """Return the sensor that tells of runs which ended without saying why.

    Parameters
    ----------
    config : AlertsConfig
        Where to send it.

    Returns
    -------
    SensorDefinition
        On by default: it only tells.
    """

    @dg.run_failure_sensor(
        name="lost_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of runs that were killed or never started.",
    )
    def lost_runs(context: dg.RunFailureSensorContext) -> None:
        if context.get_step_failure_events():
            return
        run = context.dagster_run
        partition = run.tags.get(PARTITION_TAG)
        assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
        where = f" of {partition}" if partition else ""
        text = f"run of {assets or run.job_name}{where} was lost: {context.failure_event.message}"
        context.log.error(text)
        alerts = [Alert(logging.ERROR, text)]
        send_everywhere(config, alerts, run_id=run.run_id, log=context.log)

    return lost_runs
