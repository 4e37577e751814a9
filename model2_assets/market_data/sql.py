"""Tables by a query: of a server, through SQLAlchemy, or of files and lakes, through DuckDB."""

import os
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from model2_assets.config import TableSource
from model2_assets.config.sections import expand_home
from model2_assets.errors import STRUCK_OUT, MarketDataError
from model2_assets.market_data.bars import reason

if TYPE_CHECKING:
    from sqlalchemy import URL

_ROWS_AT_ONCE = 100_000
_SHORTEST_SECRET = 4


def query_table(config: TableSource, *, key: str = "market_data") -> tuple[pa.Table, str]:
    """Return what the query of a section, the key, gives, and what messages call it.

    Nothing is changed: a DuckDB file is opened to be read, and a server's transaction is never
    committed. No error has a cause, since that of a driver may tell the address.
    """
    query, variable = str(config.query), str(config.url_variable)
    origin, url = f"query of {variable}", _url(variable, key)
    problem = unreachable = (
        f"the database cannot be reached ({{}}); see that it runs and lets its user in, or correct "
        f"the address in {variable}"
    )
    try:
        with _connection(url) as connection:
            problem = f"the query fails ({{}}); correct {key}.query"
            table = (_of_duckdb if _is_duckdb(url) else _of_server)(connection, query)
        if table is not None and table.num_rows:
            return table, origin
        problem = f"the query gives no row; correct {key}.query, and end it with a SELECT"
    except MemoryError:
        raise
    except ImportError as error:
        problem = (
            f"{url.drivername} needs a package that is not installed ({error}); of postgresql and "
            f'duckdb: pip install "model2-assets[sql]"'
        )
    except Exception as error:  # each driver has its own
        is_lost = getattr(error, "connection_invalidated", False)
        problem = (unreachable if is_lost else problem).format(_told(error, url))
    raise MarketDataError(f"{origin}: {problem}")


def _is_duckdb(url: "URL") -> bool:
    return url.drivername == "duckdb"


def _url(variable: str, key: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    address = os.environ.get(variable, "").strip()
    problem = "holds no address that SQLAlchemy knows" if address else "is not set"
    try:
        url = make_url(address)
        if url.drivername in ("postgres", "postgresql"):  # SQLAlchemy 2.1 would take psycopg
            url = url.set(drivername="postgresql+psycopg2")
        # Behind an @ of the password its rest would be the name of a host, which drivers tell.
        if address.count("@") < 2 and (_is_duckdb(url) or url.get_dialect()):
            return url
    except (ArgumentError, ValueError):
        pass
    raise MarketDataError(
        f"{key}.url_variable: the environment variable {variable} {problem}; set it, for "
        f"Dagster's daemon too, such as to postgresql://user@host:5432/name (with the password, "
        f"percent-encoded, and a colon before the @), duckdb:///file.duckdb, or duckdb:// for "
        f"files alone"
    )


def _told(error: Exception, url: "URL") -> str:
    """Return the first line of an error, without the password and what else an address hides."""
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    for secret in (url.password or "", *chain.from_iterable(url.normalized_query.values())):
        text = text.replace(secret, STRUCK_OUT) if len(secret) >= _SHORTEST_SECRET else text
    return reason(Exception(text))


def _connection(url: "URL") -> Any:
    if _is_duckdb(url):
        import duckdb

        path = expand_home(url.database or ":memory:")
        settings: dict[str, Any] = {"python_enable_replacements": False}  # no variable of ours
        return duckdb.connect(path, read_only=path != ":memory:", config=settings)
    from sqlalchemy import NullPool, create_engine

    return create_engine(url, poolclass=NullPool).connect()


def _of_duckdb(connection: Any, query: str) -> pa.Table | None:
    relation = connection.sql(query)
    return None if relation is None else relation.to_arrow_table()


def _of_server(connection: Any, query: str) -> pa.Table:
    # Without parameters, % and : in a query are but characters.
    options = {"no_parameters": True, "yield_per": _ROWS_AT_ONCE}
    result = connection.execution_options(**options).exec_driver_sql(query)
    names = list(result.keys())
    parts = [pa.table([pa.nulls(0)] * len(names), names)]
    for rows in result.partitions():
        parts.append(pa.table([_column(values) for values in zip(*rows, strict=True)], names))
    return pa.concat_tables(parts, promote_options="permissive")


def _column(values: tuple[Any, ...]) -> pa.Array:
    """Return values of a driver; its decimals as numbers, since Arrow's have no NaN."""
    return pa.array([float(value) if isinstance(value, Decimal) else value for value in values])
