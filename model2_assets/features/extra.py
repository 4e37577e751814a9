"""Features of one's own: columns of files, joined to a set as of when they were known."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import ExtraFeaturesConfig, FeaturesConfig
from model2_assets.errors import FeatureError
from model2_assets.features.blocks import mapped_matrix, new_matrix
from model2_assets.features.catalogue import alpha158_features
from model2_assets.features.normalize import normalize_cross_sections
from model2_assets.market_data.bars import (
    checked_dates,
    first_row,
    instrument_names,
    numbers,
    sessions,
)
from model2_assets.market_data.table import ColumnsToRead, parsed_dates, read_source
from model2_assets.panel import date_codes, histories, instrument_codes
from model2_assets.storage.data_version import table_digest

KNOWN = "available_at"
_FILE = "features-and-extra.npy"
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)$"
_DAY = pd.Timedelta(days=1)
_LARGEST = float(np.finfo(np.float32).max)


def read_extra(config: FeaturesConfig) -> list[pd.DataFrame]:
    """Read the files of each entry of ``features.extra``, as market data are read.

    The tables have ``instrument``, ``datetime`` (a date), the features (float64) and, if the file
    has it, ``available_at``: a moment in the zone of ``session_close``, or at midnight a date.
    """
    if config.builder is None:
        _refuse_taken(config, [spec.name for spec in alpha158_features()])
    return [_read(entry, f"features.extra.{n}", config) for n, entry in enumerate(config.extra)]


def _refuse_taken(config: FeaturesConfig, names: Sequence[str]) -> None:
    for n, entry in enumerate(config.extra):
        for name in sorted(set(entry.names).intersection(names)):
            raise FeatureError(
                f"features.extra.{n}: the set has a feature {name!r} already; name yours "
                f"otherwise, such as `columns: {{my_{name}: {entry.columns[name]}}}`"
            )


def _read(entry: ExtraFeaturesConfig, key: str, config: FeaturesConfig) -> pd.DataFrame:
    wanted = ColumnsToRead(
        required=("instrument", "datetime", *entry.names),
        optional=(KNOWN,),
        mapping=entry.columns,
        numbers=entry.names,
        key=key,
        date_format=entry.date_format,
    )
    zone = ZoneInfo(config.session_close.split()[1])
    typed = partial(_typed, wanted=wanted, zone=zone)
    table, origin = read_source(entry, wanted, typed=typed, path_key="path in features.extra")
    if KNOWN not in table and "max_age_days" in entry.model_fields_set:
        raise FeatureError(
            f"{origin}: has no column {KNOWN!r}, so a value counts on its own date alone; name the "
            f"column by {key}.columns, or remove max_age_days"
        )
    return _without_duplicates(table, origin)


def _without_duplicates(table: pd.DataFrame, origin: str) -> pd.DataFrame:
    keys = [name for name in ("datetime", "instrument", KNOWN) if name in table]
    table = table.drop_duplicates().sort_values(keys, kind="stable", ignore_index=True)
    repeated = table.duplicated(keys)
    if repeated.any():
        row = first_row(repeated) - 1
        instrument, date = table["instrument"].iloc[row], table["datetime"].iloc[row]
        raise FeatureError(
            f"{origin}: two rows of {instrument} on {date:%Y-%m-%d} differ; keep one, or say by "
            f"{KNOWN} when each became known"
        )
    return table


def _typed(
    frame: pd.DataFrame, *, origin: str, wanted: ColumnsToRead, zone: ZoneInfo
) -> pd.DataFrame:
    date = sessions(checked_dates(frame["datetime"], origin=origin), origin)
    instrument = instrument_names(frame["instrument"], origin=origin)
    table = frame.assign(instrument=instrument, datetime=date.dt.normalize())
    if KNOWN in frame:
        table[KNOWN] = _moments(frame[KNOWN], origin, wanted, zone)
        remedy = f"is before its own date; correct {KNOWN}, or date the row when it became known"
        _refuse(table[KNOWN] < table["datetime"], table[KNOWN], origin, remedy)
    else:
        remedy = f"has a time of day; write the session date, and the moment as {KNOWN}"
        _refuse(date != table["datetime"], date, origin, remedy)
    for name in wanted.numbers:
        table[name] = numbers(frame[name], origin)
        remedy = "is too large for a float32; correct the value, or leave it empty"
        _refuse(table[name].abs() > _LARGEST, table[name], origin, remedy)
    return table


def _refuse(rows: "pd.Series[bool]", values: pd.Series, origin: str, remedy: str) -> None:
    if rows.any():
        row = first_row(rows)
        raise FeatureError(
            f"{origin}: column {values.name!r}, data row {row}: {values.iloc[row - 1]} {remedy}"
        )


def _moments(
    column: pd.Series, origin: str, wanted: ColumnsToRead, zone: ZoneInfo
) -> "pd.Series[pd.Timestamp]":
    """Return moments in the zone of the close, where they have one of their own."""
    if isinstance(column.dtype, pd.StringDtype):
        with_zone = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
        is_clear = (with_zone.notna() & column.str.contains(_ZONE)).all()
        place = f"{origin}: column {column.name!r}"
        column = with_zone if is_clear else parsed_dates(column, wanted, place)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        if (column.dt.normalize() == column).all():
            raise FeatureError(
                f"{origin}: column {column.name!r} carries the time zone {column.dt.tz} but no "
                f"time of day; store dates without time zone, or moments"
            )
        column = column.dt.tz_convert(zone).dt.tz_localize(None)
    return sessions(checked_dates(column, origin=origin), origin)


def known_by(table: pd.DataFrame, date: pd.Timestamp, config: FeaturesConfig) -> pd.DataFrame:
    """Return the rows of a table as read that were known at the close of a date."""
    if KNOWN not in table:
        return table[table["datetime"] <= date]
    return table[(table[KNOWN] < date + _close(config)) & (table[KNOWN] != date)]


def _close(config: FeaturesConfig) -> pd.Timedelta:
    return pd.Timedelta(f"{config.session_close.split()[0]}:00")


def extra_digest(
    tables: Sequence[pd.DataFrame], features: pd.DataFrame, config: FeaturesConfig
) -> str:
    """Digest what was known at the last date of the features; empty where there is nothing."""
    last = features.index.get_level_values("datetime").max()
    return " ".join(table_digest(known_by(table, last, config)) for table in tables)


def with_extra(
    features: pd.DataFrame,
    config: FeaturesConfig,
    panel: pd.DataFrame,
    scratch: Path | None = None,
) -> pd.DataFrame:
    """Read the files of ``features.extra``, and join them as `join_extra` does.

    A feature without any value is refused. ``attrs["extra"]`` has the `extra_digest`.
    """
    if not config.extra:
        return features
    tables = read_extra(config)
    joined = join_extra(features, tables, config, panel, scratch)
    for n, (entry, table) in enumerate(zip(config.extra, tables, strict=True)):
        for name in entry.names:
            if joined[name].isna().all():
                raise FeatureError(
                    f"features.extra.{n}: {name!r} has no value on any date of the features: its "
                    f"file has {_span(table)}, the market data {_span(features.reset_index())}; "
                    f"give both the same names and dates, or raise max_age_days"
                )
    joined.attrs["extra"] = extra_digest(tables, features, config)
    return joined


def _span(rows: pd.DataFrame) -> str:
    date, name = rows["datetime"], rows["instrument"]
    return f"{name.min()} to {name.max()}, {date.min():%Y-%m-%d} to {date.max():%Y-%m-%d}"


def join_extra(
    features: pd.DataFrame,
    tables: Sequence[pd.DataFrame],
    config: FeaturesConfig,
    panel: pd.DataFrame,
    scratch: Path | None = None,
) -> pd.DataFrame:
    """Join to a set, in canonical order, what was known at the close of each row's date.

    Of what is known, a row has the value of the latest ``datetime``, and of that date the one
    known last: a correction of an older quarter does not replace the newest. An empty value
    counts like any other. What was known before the last bar of another history of the same name
    is of another instrument. Columns are in the order of the configuration, behind those of the
    set. The table is in memory, or in a mapped file in a folder `scratch`.
    """
    if not config.extra:
        return features
    _refuse_taken(config, list(features.columns))
    index, blocks = features.index, [features.to_numpy()]
    earliest = _ends_of_former_histories(panel).reindex(index).to_numpy()
    for entry, table in zip(config.extra, tables, strict=True):
        values = _as_of(index, table, entry, _close(config), earliest)
        if entry.normalization == "alike":
            starts = date_codes(index).starts
            normalize_cross_sections(values, starts, method=config.normalization)
        blocks.append(values)
    names = [*features.columns, *(name for entry in config.extra for name in entry.names)]
    shape, dtype = (len(index), len(names)), np.result_type(*blocks)
    if scratch is None:
        matrix = np.hstack(blocks)
    else:
        np.concatenate(blocks, axis=1, out=new_matrix(scratch / _FILE, shape, dtype))
        matrix = mapped_matrix(scratch / _FILE)
    joined = pd.DataFrame(matrix, index=index, columns=pd.Index(names, dtype="str"), copy=False)
    added = {
        "features": len(names) - features.shape[1],
        "missing_values": sum(int(np.isnan(values).sum()) for values in blocks[1:]),
    }
    counts = features.attrs.get("counts", {})
    counts = {name: count + added.get(name, 0) for name, count in counts.items()}
    joined.attrs = {**features.attrs, "counts": counts}
    return joined


def _ends_of_former_histories(panel: pd.DataFrame) -> pd.Series:
    """Return of every bar the last date of the history of its instrument before; NaT if none."""
    own, names = histories(panel), instrument_codes(panel.index).codes
    dates = panel.index.get_level_values("datetime").to_numpy()
    bars = own.order[own.last]
    former = np.append(np.datetime64("NaT", "us"), dates[bars][:-1])
    former[np.diff(names[bars], prepend=-1) != 0] = np.datetime64("NaT")
    return pd.Series(former[own.codes], index=panel.index[own.order])


def _as_of(
    index: pd.Index,
    table: pd.DataFrame,
    entry: ExtraFeaturesConfig,
    close: pd.Timedelta,
    earliest: NDArray[np.datetime64],
) -> NDArray[np.float32]:
    """Return the features of one entry that each row of a panel has: (n_rows, n_names)."""
    instruments, dates = instrument_codes(index), date_codes(index)
    since = table.get(KNOWN, table["datetime"]).dt.normalize()
    known_from, max_age_days = since, 0
    if KNOWN in table:
        time = table[KNOWN] - since
        known_from = since.where((time > pd.Timedelta(0)) & (time < close), since + _DAY)
        max_age_days = entry.max_age_days
    known = pd.DataFrame(
        {
            "instrument": pd.Index(instruments.values).get_indexer(table["instrument"]),
            "date": known_from,
            "of": table["datetime"],
            "row": table.index,
        }
    ).sort_values(["date", "of"], kind="stable")
    known = known[known["of"] >= known.groupby("instrument")["of"].cummax()]
    rows = pd.DataFrame(
        {"instrument": instruments.codes, "date": np.asarray(dates.values)[dates.codes]}
    )
    latest = pd.merge_asof(rows, known, on="date", by="instrument")["row"].fillna(-1).astype(int)
    found = since.reindex(latest).to_numpy()
    is_old = rows["date"] - found > pd.Timedelta(days=max_age_days)
    is_old |= found <= earliest
    values = table[entry.names].reindex(latest.mask(is_old, -1))
    return np.array(values, dtype=np.float32, order="C")
