"""Features of a panel, as the configuration wants them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import FeaturesConfig
from model2_assets.config.load import parse_section
from model2_assets.errors import FeatureError
from model2_assets.features.blocks import Run, cut_blocks, features_by_block, write_bars
from model2_assets.features.catalogue import alpha158_features, missing_columns
from model2_assets.features.extra import join_extra, with_extra
from model2_assets.features.kernels import (
    LONGEST,
    N_BAR_COLUMNS,
    compute_alpha158,
    for_each_chunk,
)
from model2_assets.features.normalize import normalize_cross_sections
from model2_assets.market_data import adjusted_prices
from model2_assets.panel import (
    Histories,
    checked_panel,
    date_codes,
    histories,
    in_universe,
    row_chunks,
)
from model2_assets.storage.own_tables import built_table

logger = logging.getLogger(__name__)

BAR_COLUMNS = ("open", "high", "low", "close", "volume", "vwap")
INSTRUMENTS_PER_CHUNK = 16
BUILDER_KEY = "features.builder"


def build_features_from_config(
    panel: pd.DataFrame,
    config: FeaturesConfig | Mapping[str, Any],
    *,
    n_threads: int | None = None,
    scratch: Path | None = None,
    run: Run | None = None,
) -> pd.DataFrame:
    """Compute the Alpha158 features of a panel.

    A feature of a row looks at the row's own bar and earlier bars of the same instrument,
    and, once normalized, at the other rows of the same date: never at anything later.

    Parameters
    ----------
    panel : DataFrame of shape (n_bars, n_columns)
        Market data, indexed by ``(instrument, datetime)``, in any row order. Needs
        ``close``; uses ``open``, ``high``, ``low``, ``volume`` and ``vwap`` where there
        are. Prices are adjusted by ``adjusted_close`` where there is one. Rows where the
        bool column ``in_universe`` is false feed the windows of their instrument, but get
        no features and are part of no cross-section.
    config : FeaturesConfig or mapping
        Settings; of the mapping, what differs from the defaults.
    n_threads : int, optional
        Threads; by default one per usable core. Results do not depend on it.
    scratch : Path, optional
        Empty folder in which larger tables than memory are made, block by block: the table
        returned is mapped from a file there. Without it, all is in memory. The bits are the same.
    run : callable, optional
        What runs the tasks of blocks, such as an engine's ``map``; else `n_threads` threads do.

    Returns
    -------
    DataFrame of shape (n_rows, n_features), float32
        One row for every bar in the universe that has at least ``min_history_bars``
        earlier bars of its history, in canonical order; columns in Qlib's order, and behind
        them those of ``features.extra`` (see `join_extra`). A history ends with a
        ``delisting_return``, or where the column ``history`` goes on to the next.
        ``attrs["left_out"]`` maps each feature that could not be made to the columns it
        lacks; ``attrs["counts"]`` says how many bars, rows, features and missing values
        there are, how many features have no value at all (models learn nothing from
        those), and how many bars got no features for which reason.

    Raises
    ------
    ConfigError
        If a setting is unknown or impossible.
    FeatureError
        If the index is not an (instrument, datetime) index or repeats a row, a column is
        missing or not numeric, or no row has enough history.

    See Also
    --------
    alpha158_features : names, needed columns and meaning of the features.

    Notes
    -----
    Names and definitions are those of Qlib (see `alpha158_features`), with these rules where
    data are not perfect:

    - Windows count the instrument's own bars, today's included, whatever the calendar
      distance between them. With `min_history_bars` of at least 60 they are all full; below
      that, they hold the bars there are, as Qlib's do (``min_periods=1``).
    - A missing or infinite value is left out of its windows, and so is a quotient whose
      denominator is zero, such as the volume ratio after a bar without volume. Pairs of a
      correlation need both. A standard deviation or a line needs two values. ``CNTP``,
      ``CNTN`` and ``CNTD`` count a bar whose change is unknown as neither up nor down, but
      count it. ``IMAX`` and ``IMIN`` skip missing values, where Qlib's argmax stops at
      the first one.
    - Over a halt (constant prices), ``STD``, ``BETA``, ``RESI``, ``RSV``, ``SUMP``, ``SUMN``,
      ``SUMD`` and ``WVMA`` are 0, ``RANK`` is the average rank (d + 1) / (2 d), ``IMAX`` and
      ``IMIN`` point at the oldest bar, and ``RSQR``, ``CORR`` and ``CORD`` are NaN.
    - These three are NaN where a standard deviation of the window is at most 2e-5. Of
      closes, this is relative to their mean, so that features do not depend on the unit of
      prices: in Qlib's own data the first close is 1.
    - With no volume today, ``VMA`` and ``VSTD`` divide by 1e-12 as Qlib's do: they are huge,
      though finite, and dominate a z-score. Ranks do not mind.
    - A result that is not finite in float32 is NaN.

    Examples
    --------
    >>> dates = pd.bdate_range("2024-01-01", periods=80).as_unit("us")
    >>> index = pd.MultiIndex.from_product([["A", "B"], dates], names=["instrument", "datetime"])
    >>> panel = pd.DataFrame({"close": np.linspace(10.0, 20.0, 160)}, index=index)
    >>> features = build_features_from_config(panel, {"normalization": "none"})
    >>> features.shape
    (40, 75)
    """
    settings = parse_section(FeaturesConfig, config, origin="features")
    panel = checked_panel(panel, FeatureError, what="features")
    _require_numbers(panel)
    bars = adjusted_prices(panel)
    left_out = missing_columns(bars.columns)
    specs = alpha158_features()
    logger.info(
        "%d of the %d Alpha158 features; missing columns: %s",
        len(specs) - len(left_out),
        len(specs),
        ", ".join(sorted({column for lack in left_out.values() for column in lack})) or "none",
    )

    own = histories(panel)
    has_features, counts = _rows_with_features(panel, own, settings.min_history_bars)
    selected = np.flatnonzero([spec.name not in left_out for spec in specs]).astype(np.int64)
    index = panel.index[has_features]
    assert isinstance(index, pd.MultiIndex)
    index = index.remove_unused_levels()
    targets = np.where(has_features, np.cumsum(has_features) - 1, -1)
    columns = [_numbers(bars, name) for name in BAR_COLUMNS]
    if scratch is None:
        values = np.empty((len(index), len(selected)), dtype=np.float32)
        _compute(columns, own, targets, selected, values, n_threads)
        starts = date_codes(index).starts
        normalize_cross_sections(values, starts, method=settings.normalization, n_threads=n_threads)
    else:
        write_bars(scratch, columns, own, targets)
        values = features_by_block(
            scratch,
            index,
            cut_blocks(scratch, own, selected),
            normalization=settings.normalization,
            run=run or partial(_in_threads, n_threads),
        )
    features = pd.DataFrame(
        values,
        index=index,
        columns=pd.Index([specs[i].name for i in selected], dtype="str"),
        copy=False,
    )
    chunks = row_chunks(features)
    missing = np.sum([np.isnan(chunk.to_numpy()).sum(axis=0) for chunk in chunks], axis=0)
    counts |= {
        "features": len(selected),
        "missing_values": int(missing.sum()),
        "features_without_values": int(np.count_nonzero(missing == len(values))),
    }
    features.attrs = {"left_out": left_out, "counts": counts}
    return with_extra(features, settings, panel, scratch)


def _require_numbers(panel: pd.DataFrame) -> None:
    for column in (*BAR_COLUMNS, "adjusted_close"):
        if column in panel.columns and not pd.api.types.is_numeric_dtype(panel[column].dtype):
            raise FeatureError(
                f"column {column!r} of the panel is {panel[column].dtype}; convert it to float64"
            )


def _rows_with_features(
    panel: pd.DataFrame, own: Histories, min_history_bars: int
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    members = in_universe(panel)
    history = own.earlier
    has_history = history >= min_history_bars
    has_features = members & has_history
    if not has_features.any():
        longest = int(history[members].max(initial=-1))
        raise FeatureError(
            f"no row of the panel can have features: of its {int(members.sum())} rows in the "
            f"universe the one with the longest history has {max(longest, 0)} earlier bars of its "
            f"instrument, and features.min_history_bars is {min_history_bars}; "
            f"give a longer history or lower the setting"
        )
    counts = {
        "bars": len(panel),
        "rows": int(has_features.sum()),
        "outside_universe": int((~members).sum()),
        "too_little_history": int((members & ~has_history).sum()),
    }
    return has_features, counts


def bars_of_windows(
    panel: pd.DataFrame, since: pd.Timestamp, config: FeaturesConfig
) -> pd.DataFrame:
    """Return the bars that our features of a date and later ones look at.

    Earlier bars stand outside the universe: they fill windows, and have no features themselves.
    """
    own = histories(panel)
    is_before = panel.index.get_level_values("datetime") < since
    n_before = np.bincount(own.codes, weights=is_before[own.order])[own.number]
    kept = own.earlier >= n_before - max(LONGEST, config.min_history_bars)
    members = in_universe(panel) & ~is_before
    return panel[kept].assign(in_universe=members[kept])


def _numbers(bars: pd.DataFrame, name: str) -> NDArray[np.float64] | None:
    if name not in bars.columns:
        return None
    return bars[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _compute(
    columns: Sequence[NDArray[np.float64] | None],
    own: Histories,
    targets: NDArray[np.int64],
    selected: NDArray[np.int64],
    values: NDArray[np.float32],
    n_threads: int | None,
) -> None:
    """Fill `values` (n_rows, n_selected), a chunk of histories at a time."""
    order, starts = own.order, own.starts

    def compute(first: int, stop: int) -> None:
        rows = order[starts[first] : starts[stop]]
        inputs = np.full((N_BAR_COLUMNS, len(rows)), np.nan)
        for row, column in zip(inputs, columns, strict=True):
            if column is not None:
                row[:] = column[rows]
        inputs[np.isinf(inputs)] = np.nan
        own_starts = starts[first : stop + 1] - starts[first]
        compute_alpha158(inputs, own_starts, targets[rows], selected, values)

    for_each_chunk(compute, len(starts) - 1, chunk_size=INSTRUMENTS_PER_CHUNK, n_threads=n_threads)


def _in_threads(
    n_threads: int | None, task: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    with ThreadPoolExecutor(n_threads or joblib.cpu_count()) as pool:
        yield from pool.map(task, items)


def make_features(
    panel: pd.DataFrame,
    config: FeaturesConfig,
    extra: Sequence[pd.DataFrame] | None = None,
    *,
    scratch: Path | None = None,
    run: Run | None = None,
) -> pd.DataFrame:
    """Build features with ``features.builder``, or ours where it is not set; in canonical order.

    Ours are made in memory, or by blocks in a folder `scratch`, see `build_features_from_config`.

    A builder that is not there, returns no table, or one without any value, is refused. Those of
    ``features.extra`` are joined, from tables like those of `read_extra` where these are given.
    """
    bare = config.model_copy(update={"extra": ()})
    if config.builder is None:
        features = build_features_from_config(panel, bare, scratch=scratch, run=run)
    else:
        features = built_table(panel, bare, key=BUILDER_KEY, contract="Features")
    columns = range(features.shape[1])
    if features.size and all(features.iloc[:, column].isna().all() for column in columns):
        raise FeatureError(
            f"features: none of {features.shape[1]} features has a value in any of "
            f"{len(features):,} rows; correct the prices or features.builder"
        )
    if extra is None:
        return with_extra(features, config, panel, scratch)
    return join_extra(features, extra, config, panel, scratch)
