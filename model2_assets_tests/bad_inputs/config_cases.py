"""Configurations with typing errors, wrong units and contradictions."""

from pathlib import Path

from model2_assets.config import load_config
from model2_assets.defs.nightly import check_cron
from model2_assets_tests.bad_inputs.case import Case, Refused

_FILE = "{folder}/config.yaml"
_YAML = f"configuration {_FILE}: "


def _case(identifier: str, planted: str, config: str | bytes, message: str) -> Case:
    return Case(
        id=f"config-{identifier}",
        planted=planted,
        enters="configuration",
        config=config,
        outcome=Refused(message),
        until="config",
    )


def _key(identifier: str, planted: str, config: str, message: str) -> Case:
    return _case(identifier, planted, config, f"{_FILE}: {message}")


def _us(section: str) -> str:
    return f"regions: {{us: {{{section}}}}}\n"


def _cron(identifier: str, planted: str, cron: str) -> Case:
    return Case(
        id=f"config-cron-{identifier}",
        planted=planted,
        enters="configuration",
        config=f"schedule: {{cron: {cron}}}\n",
        act=_check_cron,
        outcome=Refused(
            f"schedule.cron: {cron!r} is not a cron expression of five fields (minute, hour, day "
            f"of month, month, day of week) such as 0 2 * * 2-6"
        ),
        until="config",
    )


def _check_cron(folder: Path) -> dict[str, int]:
    """Dagster has the grammar, so what has definitions refuses it: the location, the command."""
    check_cron(load_config(folder / "config.yaml").schedule)
    return {}


_UNKNOWN = "unknown key; correct the spelling or remove it"

CASES = (
    _key(
        "date-format-without-year",
        "a form of dates without a year",
        _us("market_data: {source: csv, path: bars.csv, date_format: '%d.%m'}"),
        "regions.us.market_data.date_format: write year, month and day without a zone, as in "
        "'%d.%m.%Y', got '%d.%m'",
    ),
    _case(
        "tab",
        "indented by a tab",
        "regions:\n\tus: {}\n",
        _YAML + r"not valid YAML: while scanning for the next token found character '\t' that "
        "cannot start any token, line 2, column 1; correct it, or quote the value",
    ),
    _case(
        "utf-16",
        "UTF-16 text",
        "regions: {us: {}}\n".encode("utf-16"),
        _YAML + "not UTF-8 text; save it as UTF-8",
    ),
    _case(
        "python-tag",
        "a tag that would run code",
        "!!python/object/apply:os.system ['true']\n",
        _YAML + "not valid YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system', line 1, column 1; correct it, or quote "
        "the value",
    ),
    _case(
        "key-twice",
        "a key twice",
        "checks: {hours: 1}\nchecks: {hours: 2}\n",
        _YAML + "not valid YAML: key 'checks' is given twice, line 1, column 1; correct it, or "
        "quote the value",
    ),
    _case(
        "nested-600-deep",
        "600 brackets",
        "[" * 600 + "]" * 600,
        _YAML + "nested too deeply; flatten it",
    ),
    _key(
        "contains-itself",
        "an alias to itself",
        "regions: &r\n  us: *r\n",
        f"regions.us.us: {_UNKNOWN}",
    ),
    _case(
        "no-such-date",
        "30 February",
        _us("market_data: {source: synthetic, params: {start: 2024-02-30}}"),
        _YAML + "not valid YAML: day is out of range for month; correct it, or quote the value",
    ),
    _case(
        "two-documents",
        "two documents",
        "checks: {hours: 1}\n---\nchecks: {hours: 2}\n",
        _YAML + "not valid YAML: expected a single document in the stream, line 1, column 1 but "
        "found another document, line 2, column 1; correct it, or quote the value",
    ),
    _key("list", "a list", "- us\n", "expected keys such as regions, models, checks; got list"),
    _key("misspelled-section", "a misspelled section", "check: {hours: 1}\n", f"check: {_UNKNOWN}"),
    _key(
        "misspelled-key",
        "a misspelled key",
        _us("labels: {horizon: [21]}"),
        f"regions.us.labels.horizon: {_UNKNOWN}",
    ),
    _key(
        "hyphen",
        "a hyphen for an underscore",
        _us("cross_validation: {n-groups: 6}"),
        f"regions.us.cross_validation.'n-groups': {_UNKNOWN}",
    ),
    _key(
        "nothing-below",
        "a region with nothing below it",
        "regions:\n  us:\n",
        "regions.us: Input should be a mapping of keys to values, got None",
    ),
    _key(
        "region-escapes",
        "a region that leaves the folder",
        "regions: {../../etc: {}}\n",
        "regions: a name is up to 40 lower-case letters, digits and underscores, a letter first, "
        "and none of the names that Windows reserves, such as con and com1, got '../../etc'",
    ),
    _key(
        "horizon-with-unit",
        "a horizon with its unit",
        _us("labels: {horizons: [21d]}"),
        "regions.us.labels.horizons.0: Input should be a valid integer, unable to parse string as "
        "an integer, got '21d'",
    ),
    _key(
        "fractional-horizon",
        "half a day",
        _us("labels: {horizons: [21.5]}"),
        "regions.us.labels.horizons.0: Input should be a valid integer, got a number with a "
        "fractional part, got 21.5",
    ),
    _key(
        "winsorize-in-percent",
        "a quantile in percent",
        _us("labels: {winsorize: 10}"),
        "regions.us.labels.winsorize: Input should be less than 0.5, got 10",
    ),
    _key(
        "lag-yes",
        "a truth value for a number",
        _us("labels: {execution_lag_days: yes}"),
        "regions.us.labels.execution_lag_days: a number belongs here, got True",
    ),
    _key(
        "prediction-not-a-number",
        "not a number",
        "checks: {prediction_bps: .nan}\n",
        "checks.prediction_bps: Input should be a finite number, got nan",
    ),
    _key(
        "history-of-4000-digits",
        "a number of 4,000 digits",
        _us(f"features: {{min_history_bars: {'9' * 4000}}}"),
        "regions.us.features.min_history_bars: Input should be less than or equal to 10000, got "
        f"{'9' * 100}…",
    ),
    _key(
        "memory-in-bytes",
        "jobs by the billion",
        "execution: {n_jobs: 8000000000}\n",
        "execution.n_jobs: Input should be less than or equal to 10000, got 8000000000",
    ),
    _key(
        "all-groups-tested",
        "all groups tested",
        _us("cross_validation: {n_groups: 5, n_test_groups: 5}"),
        "regions.us.cross_validation: n_test_groups (5) must be below n_groups (5), else nothing "
        "is left to train on",
    ),
    _key(
        "window-without-scheme",
        "a window without walking forward",
        _us("cross_validation: {window: rolling}"),
        "regions.us.cross_validation: window belongs to scheme walk_forward; remove it or change "
        "the scheme",
    ),
    _key(
        "path-of-demo",
        "a path for the demo data",
        _us("market_data: {source: demo, path: bars.csv}"),
        "regions.us.market_data: source 'demo' takes no path; remove it or name the format",
    ),
    _key(
        "no-path",
        "no path",
        _us("market_data: {source: csv}"),
        "regions.us.market_data: source 'csv' needs a path",
    ),
    _key(
        "unknown-source",
        "a source that there is not",
        _us("market_data: {source: excel, path: bars.xlsx}"),
        "regions.us.market_data.source: Input should be 'demo', 'parquet', 'csv', 'sql' or "
        "'synthetic', got 'excel'",
    ),
    _key(
        "one-column-for-two",
        "one column named for two",
        _us("market_data: {source: csv, path: a.csv, columns: {open: px, close: px}}"),
        "regions.us.market_data.columns: 'px' is named for open and close; name it for one alone",
    ),
    _key(
        "empty-universe",
        "a universe whose name is empty",
        _us("market_data: {source: csv, path: a.csv, universe: ''}"),
        "regions.us.market_data.universe: String should have at least 1 character, got ''",
    ),
    _key(
        "unknown-model",
        "a model that there is not",
        _us("models: [ridg]"),
        "regions.us.models: unknown model 'ridg'; known: ridge, xgboost",
    ),
    _cron("of-four-fields", "a schedule without its weekdays", "0 2 * *"),
    _cron("of-words", "a schedule in words", "at two every night please"),
    _cron("on-31-february", "a schedule on a day that there is not", "0 2 31 2 *"),
    _key(
        "time-zone",
        "a time zone that there is not",
        "schedule: {timezone: EST5PDT6}\n",
        "schedule.timezone: no such IANA time zone; write one such as America/New_York, got "
        "'EST5PDT6'",
    ),
    _key(
        "secret-for-its-name",
        "a password in place of a variable's name",
        "alerts: {email: {sender: a@b.c, recipients: [a@b.c], host: h, password_variable: "
        "hunter-2}}\n",
        "alerts.email.password_variable: write the name of an environment variable here, never a "
        "secret itself",
    ),
    _case(
        "misspelled-parameter",
        "a misspelled parameter of a model",
        "models: {ridge: {params: {alhpa: 1.0}}}\n",
        "models.ridge.params.alhpa: unknown parameter; known: alpha, alphas, fit_intercept",
    ),
    _case(
        "negative-penalty",
        "a negative penalty",
        "models: {ridge: {params: {alpha: -1.0}}}\n",
        "models.ridge.params.alpha: must be a number at least 0.001, got -1.0",
    ),
    _case(
        "text-penalty",
        "a penalty with its unit",
        "models: {ridge: {params: {alpha: 10bps}}}\n",
        "models.ridge.params.alpha: must be a number at least 0.001, got '10bps'",
    ),
    _case(
        "no-trainer",
        "a trainer that there is not",
        "models: {ridge: {trainer: 'no_such_package:Trainer'}}\n",
        "models.ridge.trainer: cannot import module 'no_such_package' "
        "(ModuleNotFoundError: No module named 'no_such_package'); install or mend it "
        "in this environment, or correct the path",
    ),
    _case(
        "synthetic-typo",
        "a misspelled setting of the generated market",
        _us("market_data: {source: synthetic, params: {n_days: 80}}"),
        f"market_data.params: n_days: {_UNKNOWN}",
    ),
    _case(
        "synthetic-unit",
        "a generated market of text",
        _us("market_data: {source: synthetic, params: {n_dates: 2y}}"),
        "market_data.params: n_dates: Input should be a valid integer, unable to parse string as "
        "an integer, got '2y'",
    ),
    _key(
        "part-of-a-seed",
        "an exponent that makes no whole number",
        "execution: {n_jobs: 1e-2}\n",
        "execution.n_jobs: Input should be a valid integer, got a number with a fractional part, "
        "got 0.01",
    ),
    _key(
        "sql-no-address",
        "a query, and no name of an address",
        _us("market_data: {source: sql, query: FROM bars}"),
        "regions.us.market_data: source 'sql' needs a query and a url_variable",
    ),
    _key(
        "sql-address",
        "an address with a password in place of its variable",
        _us("market_data: {source: sql, query: FROM bars, url_variable: 'postgresql://me:pw@h/p'}"),
        "regions.us.market_data.url_variable: write the name of an environment variable here, "
        "never a secret itself",
    ),
    _key(
        "sql-password",
        "a query with a password",
        _us(
            "market_data: {source: sql, url_variable: A, query: \"FROM postgres_scan('user=me "
            "password=pw', 'bars')\"}"
        ),
        "regions.us.market_data.query: the query carries a password or key, and is written into "
        "records; give it by the address that url_variable names, or by the environment",
    ),
    _case(
        "sql-variable",
        "a query of a database whose address is not set",
        _us("market_data: {source: sql, query: FROM bars, url_variable: MODEL2_NOT_SET}"),
        "market_data.url_variable: the environment variable MODEL2_NOT_SET is not set; set it, for "
        "Dagster's daemon too, such as to postgresql://user@host:5432/name (with the password, "
        "percent-encoded, and a colon before the @), duckdb:///file.duckdb, or duckdb:// for files "
        "alone",
    ),
)
