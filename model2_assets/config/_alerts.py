"""Section ``alerts``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model2_assets.config._section import Section
from model2_assets.config._types import Location

EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable that holds a secret; secrets are never configured."""


class SlackConfig(Section):
    """Alerts as Slack messages; needs the extra ``slack``."""

    channel: str = Field(min_length=1, description="channel, such as #models, or its id")
    token_variable: EnvironmentVariable = Field(
        default="SLACK_TOKEN", description="environment variable that holds the bot's token"
    )
    base_url: Location = Field(
        default="https://slack.com/api/",
        pattern=r"^https?://.+/$",
        description="address of the Slack API, ending in a slash",
    )


class EmailConfig(Section):
    """Alerts as e-mail, by Dagster's own functions where the connection is encrypted."""

    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="address it comes from")
    recipients: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...], Field(min_length=1)
    ] = Field(description="addresses it goes to")
    host: str = Field(min_length=1, description="mail server")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="null: 465 of ssl, 587 of starttls, 25 of none"
    )
    security: Literal["ssl", "starttls", "none"] = Field(
        default="starttls", description="none: neither encryption nor login, for a local relay"
    )
    user: str | None = Field(default=None, description="login name; null: the sender")
    password_variable: EnvironmentVariable | None = Field(
        default=None, description="environment variable that holds the password"
    )

    @model_validator(mode="after")
    def _password_belongs_to_encryption(self) -> Self:
        if self.security != "none" and self.password_variable is None:
            raise ValueError(f"security {self.security} logs in, so it needs a password_variable")
        if self.security == "none" and (self.password_variable or self.user):
            raise ValueError(
                "security none sends no login; remove user and password_variable, or encrypt"
            )
        return self


class AlertsConfig(Section):
    """Where failed checks and steps are told, besides the log."""

    slack: SlackConfig | None = Field(default=None, description="null: no Slack message")
    email: EmailConfig | None = Field(default=None, description="null: no e-mail")
