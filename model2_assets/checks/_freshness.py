"""Freshness: how old the last session is."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from model2_assets.checks._outcome import CheckOutcome

_ACROSS_THE_DATE_LINE = timedelta(days=1)
"""A session may be dated a day ahead of the configured time zone."""


def check_fresh(
    last_session: date, *, now: datetime, timezone: str, max_age_weekdays: int | None
) -> CheckOutcome:
    """Check that the last session is not too old.

    Parameters
    ----------
    last_session : date
        The newest date of the panel.
    now : datetime
        The time, with a time zone.
    timezone : str
        IANA time zone that says which day it is, such as ``America/New_York``.
    max_age_weekdays : int or None
        Largest age allowed; None: any.

    Returns
    -------
    CheckOutcome
        Named ``fresh``. The age is the number of Mondays to Fridays after the last session up
        to today: on Saturday Friday's session is 0 weekdays old, on Tuesday Monday's is 1.
        Holidays are not known, and count. A session of the future fails where an age is
        demanded.
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    age = max(int(np.busday_count(last_session + _ONE_DAY, today + _ONE_DAY)), 0)
    is_ahead = last_session > today + _ACROSS_THE_DATE_LINE
    text = f"last session {last_session:%Y-%m-%d}, {age:,} weekdays old on {today:%Y-%m-%d}"
    if is_ahead:
        text = f"last session {last_session:%Y-%m-%d} lies in the future: today is {today:%Y-%m-%d}"
    passed = max_age_weekdays is None or not (is_ahead or age > max_age_weekdays)
    if max_age_weekdays is None:
        text += "; no age is demanded (market_data.max_age_weekdays)"
    elif passed:
        text += f", allowed are {max_age_weekdays}"
    elif is_ahead:
        text += "; correct the dates of the source"
    else:
        text += f", allowed are {max_age_weekdays}: update the source, or raise max_age_weekdays"
    return CheckOutcome(
        "fresh", passed=passed, description=text, values={"age_weekdays": age, "today": f"{today}"}
    )


_ONE_DAY = timedelta(days=1)
