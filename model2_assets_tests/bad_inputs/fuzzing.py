"""Inputs that nobody thought of: configurations and files made by Hypothesis.

``MODEL2_FUZZ_EXAMPLES`` sets how many examples each test tries; without it, a few, always the
same. Run long as ``MODEL2_FUZZ_EXAMPLES=20000 python -m pytest
model2_assets_tests/bad_inputs/test_fuzz.py``.
"""

import os
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import yaml
from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st

from model2_assets.config import Model2Config, parse_config

EXAMPLES = int(os.environ.get("MODEL2_FUZZ_EXAMPLES", "0"))


def fuzz(few: int) -> settings:
    """Return settings: a few examples, always the same, or as many new ones as were asked for."""
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "null", "21d", "1e3", "nan", "../x", "a:b", "us", "ridge", "*", "0 2 * * *"]
    ),
)
_NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400]),
    st.floats(),
)
SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS, st.dates(), st.binary(max_size=4))

_KEYS = st.one_of(_TEXTS, st.integers(-2, 2), st.none(), st.booleans(), st.floats())

DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=4)),
    max_leaves=12,
)


def _complete() -> dict[str, Any]:
    values = parse_config({}).model_dump(mode="json")
    values["alerts"] = {
        "slack": {"channel": "#a", "token_variable": "T"},
        "email": {"sender": "a@b.c", "recipients": ["a@b.c"], "host": "h", "security": "none"},
    }
    return dict(values)


COMPLETE = _complete()
"""A configuration that has every section."""


def _places(value: object, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        inner = [one for key, item in value.items() for one in _places(item, (*place, key))]
    elif isinstance(value, list):
        inner = [one for at, item in enumerate(value) for one in _places(item, (*place, at))]
    return [place, *inner] if place else inner


_PLACES = _places(COMPLETE)


@st.composite
def mutated_configs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the complete configuration with up to three places changed, renamed or dropped."""
    values = yaml.safe_load(yaml.safe_dump(COMPLETE))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_PLACES))
        _mutate(draw, values, place)
    return dict(values)


def _mutate(draw: st.DrawFn, values: Any, place: tuple[Any, ...]) -> None:
    for part in place[:-1]:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return
    last = place[-1]
    if not isinstance(values, dict | list):
        return
    action = draw(st.sampled_from(["value", "value", "rename", "drop"]))
    if isinstance(values, dict) and action != "value":
        kept = values.pop(last, None)
        if action == "rename":
            values[draw(_KEYS)] = kept
    elif isinstance(values, dict) or (isinstance(last, int) and last < len(values)):
        values[last] = draw(DOCUMENTS)


def parsed(config: Model2Config) -> None:
    """Use what a configuration that was accepted says."""
    for name, region in config.regions.items():
        config.models_of(name)
        region.cross_validation.role_column_names(region.labels.horizon_keys)


_CELLS = st.one_of(
    st.sampled_from(
        ["A", "B", "2024-01-02", "2024-01-03", "10", "11.5", "", "NA", "inf", "-1", "1e400", '"']
    ),
    st.text(max_size=6),
)
_NAMES = st.sampled_from(["instrument", "datetime", "close", "open", "volume", "currency", "x"])


@st.composite
def csv_texts(draw: st.DrawFn) -> bytes:
    """Draw text that resembles a CSV file of bars."""
    separator = draw(st.sampled_from([",", ",", ",", ";", "\t"]))
    ending = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    header = draw(
        st.one_of(
            st.just(["instrument", "datetime", "close"]),
            st.lists(_NAMES, min_size=1, max_size=5),
        )
    )
    good = ["A", "2024-01-02", "10"]
    rows = draw(st.lists(st.one_of(st.just(good), st.lists(_CELLS, max_size=5)), max_size=6))
    text = ending.join(separator.join(row) for row in [header, *rows])
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return text.encode(encoding, errors="replace")


@st.composite
def mutated_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a file of which bytes are changed, cut out, put in twice or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(1, 16))
        match draw(st.sampled_from(["change", "change", "remove", "repeat", "end"])):
            case "change":
                data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "remove":
                del data[at : at + length]
            case "repeat":
                data[at:at] = data[at : at + length]
            case "end":
                del data[at:]
    return bytes(data)


_INSTRUMENTS = st.one_of(
    st.sampled_from(["A", "B", "a", " A", "", "NA", "A\0"]), st.none(), st.text(max_size=3)
)
_DATES = st.one_of(
    st.sampled_from([pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03 16:00"), pd.NaT]),
    st.datetimes(),
)
_PRICES = st.one_of(
    st.floats(min_value=1, max_value=100),
    st.floats(),
    st.sampled_from([0.0, -1.0, np.inf, np.nan, 1e-320, 1e308]),
)
_ANYTHING = st.one_of(_PRICES, SCALARS, st.decimals(), st.complex_numbers(), st.fractions())


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a table that resembles bars."""
    n_rows = draw(st.integers(0, 6))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n_rows, max_size=n_rows))

    columns = {
        "instrument": column(draw(st.sampled_from([_INSTRUMENTS, st.integers(), _ANYTHING]))),
        "datetime": column(draw(st.sampled_from([_DATES, _DATES, _ANYTHING]))),
        "close": column(draw(st.sampled_from([_PRICES, _PRICES, _ANYTHING]))),
    }
    for name in draw(st.lists(_NAMES, max_size=3)):
        columns.setdefault(name, column(draw(st.sampled_from([_PRICES, _ANYTHING]))))
    try:
        return pd.DataFrame(columns)
    except OverflowError:  # pandas 3.0 makes no column of floats and an integer beyond them all
        reject()


def texts() -> st.SearchStrategy[bytes]:
    """Draw text as UTF-8."""
    return st.text(max_size=60).map(lambda text: text.encode("utf-8", errors="replace"))


_SETTINGS = (
    *("n_instruments", "n_dates", "seed", "signal", "half_life_days", "tail_df"),
    *("volatility", "late_listings", "missing_days", "halts", "days_a_week", "start"),
)
_DAYS = st.dates(min_value=date(1700, 1, 1)).map(str)


@st.composite
def market_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw settings of the generated market, of which the possible ones make a small one."""
    values = st.one_of(SCALARS, st.integers(0, 50), _DAYS)
    drawn = draw(st.dictionaries(st.sampled_from(_SETTINGS), values, max_size=3))
    for name in ("n_instruments", "n_dates"):
        drawn.setdefault(name, 20)
        if isinstance(drawn[name], int) and 200 < drawn[name] <= 100_000:
            drawn[name] = 200
    return dict(drawn)
