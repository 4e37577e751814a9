"""Failed checks and steps, told as they happen: logged, and sent where that is configured.

Dagster's own sensors that send e-mails and Slack messages tell of failed runs alone, need a
daemon, and a password for the mail server; checks that warn fail no run. So every step tells
by a hook, in whichever process it runs, and one sensor tells of runs that no step speaks for.
"""

import logging
import os
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from email import policy
from email.message import EmailMessage
from functools import cache, partial
from importlib.util import find_spec

import dagster as dg

from model2_assets.config.sections import AlertsConfig, EmailConfig, SlackConfig
from model2_assets.defs.recorded import PARTITION_TAG
from model2_assets.defs.steps import failure_reason
from model2_assets.errors import ConfigError

TIMEOUT_SECONDS = 20

_PORTS = {"ssl": 465, "starttls": 587, "none": 25}
_LEVELS = {
    dg.AssetCheckSeverity.ERROR: logging.ERROR,
    dg.AssetCheckSeverity.WARN: logging.WARNING,
}


Alert = tuple[int, str]
"""A logging level, and a sentence with asset, partition and figures."""


@cache
def alert_hooks(config: AlertsConfig) -> frozenset[dg.HookDefinition]:
    """Return the hooks that tell of the failed checks of a step, and of its failure.

    Each is a line of the run's log, so it is on the console too; then all are sent as one
    message where the configuration names a channel. Failed checks of level warn, which fail
    no step, are told as well. A hook never fails a run: what cannot be sent is logged.
    """

    def tell(context: dg.HookContext) -> None:
        found = list(_alerts_of(context))
        for level, text in found:
            context.log.log(level, text)
        if found:
            send_everywhere(config, found, run_id=context.run_id, log=context.log)

    on_success = dg.success_hook(name="alerts_of_warnings")
    on_failure = dg.failure_hook(name="alerts_of_failures")
    return frozenset({on_success(tell), on_failure(tell)})


def _alerts_of(context: dg.HookContext) -> Iterator[Alert]:
    """Return what failed in a step: its checks, else the step itself for another reason."""
    rejected = False
    for entry in context.instance.all_logs(context.run_id, of_type=_TOLD):
        event = entry.dagster_event
        if event is None or event.step_key != context.step_key:
            continue
        if not event.is_step_failure:
            check = event.asset_check_evaluation_data
            if not check.passed:
                rejected |= check.severity == dg.AssetCheckSeverity.ERROR
                yield _LEVELS[check.severity], _check_text(check)
        elif not rejected:
            yield logging.ERROR, f"step {event.step_key} failed: {failure_reason(event)}"


_TOLD = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}


def _check_text(check: dg.AssetCheckEvaluation) -> str:
    where = f" of {check.partition}" if check.partition else ""
    asset = check.asset_key.to_user_string()
    return f"check {check.check_name} of {asset}{where} failed: {check.description}"


def lost_runs_sensor(config: AlertsConfig) -> dg.SensorDefinition:
    """Return the sensor that tells of runs which ended without saying why; it is on."""

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
        send_everywhere(config, [(logging.ERROR, text)], run_id=run.run_id, log=context.log)

    return lost_runs


def open_channels(config: AlertsConfig) -> None:
    """Refuse channels that lack a package or an environment variable, before anything runs."""
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
    """Send alerts as one message to every channel; what cannot be sent is logged, not raised."""
    lines = [f"[{logging.getLevelName(level)}] {text}" for level, text in alerts]
    text = "\n".join([*lines, f"run {run_id}"])
    slack, email = config.slack, config.email
    if slack is not None:
        _attempt("slack", slack.token_variable, log, lambda: _send_slack(slack, text))
    if email is not None:
        failed = any(level >= logging.ERROR for level, _ in alerts)
        subject = f"model2 {'failed' if failed else 'warning'}: {alerts[0][1]}"[:150]
        _attempt("email", email.password_variable, log, lambda: _send_email(email, subject, text))


def _send_slack(config: SlackConfig, text: str) -> None:
    from dagster_slack import SlackResource

    token = _secret("alerts.slack.token_variable", config.token_variable)
    client = SlackResource(token=token).get_client()
    client.base_url, client.timeout = config.base_url, TIMEOUT_SECONDS
    client.chat_postMessage(channel=config.channel, text=text)


def _send_email(config: EmailConfig, subject: str, text: str) -> None:
    # Not folded: Python folds words that are not ASCII into doubled spaces.
    message = EmailMessage(policy.SMTP.clone(max_line_length=998))
    message["From"], message["To"] = config.sender, ", ".join(config.recipients)
    message["Subject"] = " ".join(subject.split())
    message.set_content(text, cte="base64")
    port = config.port or _PORTS[config.security]
    encryption = ssl.create_default_context()
    connect: Callable[..., smtplib.SMTP] = smtplib.SMTP
    if config.security == "ssl":
        connect = partial(smtplib.SMTP_SSL, context=encryption)
    with connect(config.host, port, timeout=TIMEOUT_SECONDS) as server:
        if config.security == "starttls":
            server.starttls(context=encryption)
        if config.security != "none":
            password = _secret("alerts.email.password_variable", config.password_variable or "")
            server.login(config.user or config.sender, password)
        server.send_message(message)


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
