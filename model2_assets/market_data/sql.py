"""Tables by a query: of a server, through SQLAlchemy, or of files and lakes, through DuckDB."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from model2_assets.config import TableSource
from model2_assets.config.sections import expand_home
from model2_assets.errors import STRUCK_OUT, MarketDataError
from model2_assets.market_data.bars import reason

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

_Fetch = Callable[[str], pa.Table | None]

_ROWS_AT_ONCE = 100_000
_SHORTEST_SECRET = 4


def query_table(config: TableSource, *, key: str = "market_data") -> tuple[pa.Table, str]:
    """Return what a query gives, and what messages call it.

    Nothing is changed: a DuckDB file is opened to be read, and a server's transaction is never
    committed. No error has a cause, since that of a driver may tell the address.

    Parameters
    ----------
    config : TableSource
        Of source sql.
    key : str
        Section of the configuration that it is, for messages.

    Returns
    -------
    table : pyarrow.Table
        At least one row; columns as the query names them.
    origin : str
        Such as "query of PRICES_URL".

    Raises
    ------
    MarketDataError
        If the address is missing or wrong, a package is not installed, the database cannot be
        reached or refuses the query, or the query gives no row.
    """
    query, variable = str(config.query), str(config.url_variable)
    origin = f"query of {variable}"
    url = _url(variable, key)
    connect = _duckdb if url.drivername == "duckdb" else _server
    problem = (
        f"the database cannot be reached ({{}}); see that it runs and lets its user in, or correct "
        f"the address in {variable}"
    )
    try:
        with connect(url) as fetch:
            problem = f"the query fails ({{}}); correct {key}.query"
            table = fetch(query)
    except MemoryError:
        raise
    except ImportError as error:
        problem = (
            f"{url.drivername} needs a package that is not installed ({error}); of postgresql and "
            f'duckdb: pip install "model2-assets[sql]"'
        )
    except Exception as error:  # each driver has its own
        problem = problem.format(reason(_without_secrets_of(url, error)))
    else:
        if table is not None and table.num_rows:
            _refuse_moments(table, config.columns.get("datetime", "datetime"), origin, key)
            return table, origin
        problem = f"the query gives no row; correct its conditions in {key}.query"
        if table is None:
            problem = f"the query gives no table; end {key}.query with a SELECT"
    raise MarketDataError(f"{origin}: {problem}")


def _url(variable: str, key: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    address = os.environ.get(variable, "").strip()
    form = (
        "such as postgresql://user@host:5432/name (with the password, percent-encoded, and a colon "
        "before the @), duckdb:///file.duckdb, or duckdb:// for files alone"
    )
    if not address:
        raise MarketDataError(
            f"{key}.url_variable: the environment variable {variable} is not set; set it to "
            f"the address of the database, {form}, for Dagster's daemon too"
        )
    try:
        url = make_url(address)
        if url.drivername in ("postgres", "postgresql"):  # SQLAlchemy 2.1 would take psycopg
            url = url.set(drivername="postgresql+psycopg2")
        is_known = address.count("@") < 2 and (url.drivername == "duckdb" or url.get_dialect())
    except (ArgumentError, ValueError):
        is_known = False
    except ImportError:  # of the driver, which the connection names
        is_known = True
    if not is_known:
        raise MarketDataError(
            f"{key}.url_variable: what the environment variable {variable} holds is no "
            f"address of a database; write one that SQLAlchemy knows, {form}"
        )
    return url


def _without_secrets_of(url: "URL", error: Exception) -> Exception:
    """Return an error of one line, without the password and what else the address may hide."""
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    for secret in (url.password, *url.normalized_query.values()):
        for part in [secret] if isinstance(secret, str) else secret or ():
            text = text.replace(part, STRUCK_OUT) if len(part) >= _SHORTEST_SECRET else text
    return RuntimeError(text)


def _refuse_moments(table: pa.Table, name: str, origin: str, key: str) -> None:
    """Refuse moments in place of sessions: of which market's day they are is not for us to say."""
    for field in table.schema:
        if field.name == name and pa.types.is_timestamp(field.type) and field.type.tz:
            raise MarketDataError(
                f"{origin}: column {name!r} has a time zone; let {key}.query give the "
                f"session's date, such as CAST({name} AT TIME ZONE 'America/New_York' AS date) AS "
                f"{name}"
            )


@contextmanager
def _duckdb(url: "URL") -> Iterator[_Fetch]:
    import duckdb

    memory = ":memory:"
    path = expand_home(url.database or memory)
    settings: dict[str, Any] = {"python_enable_replacements": False}  # none of our variables
    with duckdb.connect(path, read_only=path != memory, config=settings) as connection:

        def fetch(query: str) -> pa.Table | None:
            relation = connection.sql(query)
            return None if relation is None else relation.to_arrow_table()

        yield fetch


@contextmanager
def _server(url: "URL") -> Iterator[_Fetch]:
    from sqlalchemy import NullPool, create_engine

    with create_engine(url, poolclass=NullPool).connect() as connection:
        yield partial(_fetch, connection)


def _fetch(connection: "Connection", query: str) -> pa.Table | None:
    # Without parameters, % and : in a query are but characters.
    options: dict[str, Any] = {"no_parameters": True, "yield_per": _ROWS_AT_ONCE}
    result = connection.execution_options(**options).exec_driver_sql(query)
    if not result.returns_rows:
        return None
    names = list(result.keys())
    parts = [pa.table([pa.nulls(0)] * len(names), names)]
    for rows in result.partitions():
        parts.append(pa.table([_column(values) for values in zip(*rows, strict=True)], names))
    return pa.concat_tables(parts, promote_options="permissive")


def _column(values: tuple[Any, ...]) -> pa.Array:
    """Return values of a driver; its decimals as numbers, since Arrow's have no NaN."""
    return pa.array([float(value) if isinstance(value, Decimal) else value for value in values])
