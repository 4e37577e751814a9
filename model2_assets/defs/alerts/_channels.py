"""Slack and e-mail. Secrets come from the environment when something is sent."""

import logging
import os
import smtplib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from importlib.util import find_spec

from model2_assets.config import AlertsConfig, EmailConfig, SlackConfig
from model2_assets.defs.alerts._message import Alert, subject_of
from model2_assets.errors import ConfigError

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
