"""Controls that cut off the future: what was known before must not change."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.catalogue import Finding, Values
from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.errors import FeatureError, Model2Error
from model2_assets.features.build import bars_of_windows, make_features
from model2_assets.features.extra import extra_digest, known_by, read_extra
from model2_assets.labels.build import labels_as_built
from model2_assets.labels.windows import longest_span
from model2_assets.panel import (
    CHUNK_ROWS,
    date_codes,
    histories,
    in_universe,
    row_chunks,
    row_name,
)
from model2_assets.storage.data_version import facts_of

logger = logging.getLogger(__name__)

LABEL_TOLERANCE_BPS = 1e-6
"""Our labels are rebuilt to the bit. A builder that sums over a wide table of dates by names sums
in another order where later names are missing, which moves labels by some 1e-13 of a return; a
name more or less among thousands moves the mean of a date by 1e-3 bps and more."""


@dataclass(frozen=True)
class TableDifference:
    """How far two tables agree: values of both, those that differ, and a name for the first.

    Failing a value that differs, the first is a row or a feature that one table lacks.
    """

    n_values: int
    n_different: int
    first_difference: str


def lookahead_control(
    features: pd.DataFrame,
    panel: pd.DataFrame,
    config: FeaturesConfig,
    *,
    n_dates: int = 3,
    seed: int = 7,
) -> Finding:
    """Recompute features on history that ends at sampled dates, and compare to the bit.

    Notes
    -----
    A feature that looks k dates ahead changes in the k dates before the end, so the last bar of
    every name shows it whatever k is. Of our own features the dates are made again from the
    earliest of these bars on, of names that go on after the end, with the bars in their windows.
    A builder may look back as far as it likes, and fill gaps anywhere: it is given all history
    up to the end, and all its rows are compared. Of ``features.extra``, what was known at the
    close of the last date is joined.
    """
    extra = read_extra(config)
    stated = facts_of(features).get("extra")
    if stated and stated != extra_digest(extra, features, config):
        text = "files of features.extra have changed since; materialize features again"
        return Finding(False, text)
    dates = features.index.get_level_values("datetime").unique().sort_values()
    bar_dates = panel.index.get_level_values("datetime")
    generator = np.random.default_rng(seed)
    cuts = _sample(dates[dates < bar_dates.max()], n_dates, generator)
    row_dates, gaps = features.index.get_level_values("datetime"), _gaps(panel)

    def compare(cut: pd.Timestamp) -> TableDifference:
        first, history = 0, panel[bar_dates <= cut]
        if config.builder is None:
            since = _since(cut, panel, gaps)
            first = int(row_dates.searchsorted(since))
            history = bars_of_windows(history, since, config)
        stored = features.iloc[first : int(row_dates.searchsorted(cut, side="right"))]
        known = [known_by(table, cut, config) for table in extra]
        return compare_tables(stored, _recompute(history, config, cut, known))

    found = _compare_on_each(cuts, compare, control="look-ahead control", what="values")
    values = _values(cuts, found, what="values", seed=seed)
    if found.first_difference:
        text = (
            f"{found.first_difference}; {found.n_different:,} of {found.n_values:,} values "
            f"differ: let the feature builder use nothing after a row's own date"
        )
        return Finding(False, text, values)
    text = f"{found.n_values:,} values are the same when history ends on {values['dates']}"
    if not cuts:
        text = "no date that has features has later bars, so nothing could be cut off"
    return Finding(bool(cuts), text, values, only_warns=not cuts)


def label_end_control(
    labels: pd.DataFrame,
    panel: pd.DataFrame,
    config: LabelsConfig,
    *,
    n_dates: int = 3,
    seed: int = 7,
) -> Finding:
    """Rebuild labels on market data that end at sampled dates, and compare those that had ended.

    Notes
    -----
    The purge believes label ends. A label that looks k dates further than its end changes where
    market data end within these k dates, so any date at which labels end shows it. One that
    looks at its cross-section, but ends with its own row, changes only where the rows of a date
    end apart; and one that foresees what becomes of a name without bars, only before it is
    known. So dates of these three kinds take turns. Before every horizon has a label that
    ended, nothing can be rebuilt. Of our own labels all dates are rebuilt whose windows may reach
    the end, also of names that come back after it; of a builder's, all history.
    """
    ends = {f"label_{key}": _stated_ends(labels, key) for key in config.horizon_keys}
    bar_dates = panel.index.get_level_values("datetime")
    dates = _dates_of_ends(list(ends.values()), bar_dates.max())
    apart = np.concatenate([_parting_ends(labels.index, stated) for stated in ends.values()])
    kinds = [
        dates[dates.isin(apart)],
        dates[dates.isin(_doubtful_dates(panel, config.delisted_after))],
        dates,
    ]
    cuts = _in_turn(kinds, n_dates, np.random.default_rng(seed))
    row_dates, gaps = labels.index.get_level_values("datetime"), _gaps(panel)

    def compare(cut: pd.Timestamp) -> TableDifference:
        since = _since(cut, panel, gaps, dates_before=longest_span(config))
        stop = int(row_dates.searchsorted(cut, side="right"))
        rows = slice(int(row_dates.searchsorted(since)), stop)
        has_ended = (bool((stated[rows] <= cut.to_datetime64()).any()) for stated in ends.values())
        if config.builder is not None or not all(has_ended):
            since, rows = bar_dates.min(), slice(stop)
        known = {name: stated[rows] for name, stated in ends.items()}
        try:
            rebuilt = labels_as_built(panel[(bar_dates >= since) & (bar_dates <= cut)], config)
        except Model2Error as error:
            return TableDifference(
                0, 0, f"labels cannot be built ({error}), though some had ended,"
            )
        return _compare_ended(labels.iloc[rows], known, rebuilt, cut)

    found = _compare_on_each(cuts, compare, control="label end control", what="labels")
    values = _values(cuts, found, what="labels", seed=seed)
    if found.first_difference:
        text = (
            f"{found.first_difference}; {found.n_different:,} of {found.n_values:,} labels that "
            f"had ended differ: let label_end be the last date that a label looks at, which in "
            f"excess of a mean is the latest of all rows of its date"
        )
        return Finding(False, text, values)
    text = (
        f"{found.n_values:,} labels are the same when market data end on {values['dates']}, when "
        f"they had ended"
    )
    if not cuts:
        text = (
            "not every horizon has a label that ends before the last bars, so nothing could be "
            "cut off"
        )
    return Finding(bool(cuts), text, values, only_warns=not cuts)


def _compare_on_each(
    cuts: Sequence[pd.Timestamp],
    compare: Callable[[pd.Timestamp], TableDifference],
    *,
    control: str,
    what: str,
) -> TableDifference:
    n_values = n_different = 0
    first = ""
    for cut in cuts:
        found = compare(cut)
        n_values += found.n_values
        n_different += found.n_different
        if found.first_difference and not first:
            first = f"{found.first_difference} when history ends on {cut:%Y-%m-%d}"
        counts = f"{found.n_different:,} of {found.n_values:,} {what} differ"
        logger.info("%s: history up to %s, %s", control, f"{cut:%Y-%m-%d}", counts)
    return TableDifference(n_values, n_different, first)


def _values(
    cuts: Sequence[pd.Timestamp], found: TableDifference, *, what: str, seed: int
) -> Values:
    return {
        "dates": ", ".join(f"{cut:%Y-%m-%d}" for cut in cuts),
        what: found.n_values,
        f"different_{what}": found.n_different,
        "seed": seed,
    }


def _sample(
    dates: pd.DatetimeIndex, n_dates: int, generator: np.random.Generator
) -> list[pd.Timestamp]:
    chosen = generator.choice(len(dates), size=min(n_dates, len(dates)), replace=False)
    return list(dates[np.sort(chosen)])


def _gaps(panel: pd.DataFrame) -> NDArray[np.int64]:
    """Return the dates, as codes, of bars before and after which a history misses some: (2, n)."""
    own = histories(panel)
    date = date_codes(panel.index).codes[own.order]
    misses = np.diff(date, append=0) > 1
    misses[own.last] = False
    before = np.flatnonzero(misses)
    return np.stack([date[before], date[before + 1]])


def _since(
    cut: pd.Timestamp, panel: pd.DataFrame, gaps: NDArray[np.int64], *, dates_before: int = 0
) -> pd.Timestamp:
    """Return the date from which on each history that goes on after the end has a bar up to it."""
    calendar = pd.DatetimeIndex(date_codes(panel.index).values)
    end = int(calendar.searchsorted(cut, side="right")) - 1
    is_over_end = (gaps[0] <= end) & (gaps[1] > end)
    return calendar[max(int(gaps[0][is_over_end].min(initial=end)) - dates_before, 0)]


def _stated_ends(labels: pd.DataFrame, horizon: str) -> NDArray[np.datetime64]:
    """Return the label ends of a horizon; none where its columns are not those of the contract."""
    label, end = (labels.get(f"{kind}_{horizon}") for kind in ("label", "label_end"))
    is_label = isinstance(label, pd.Series) and label.dtype.kind == "f"
    if not (is_label and isinstance(end, pd.Series) and end.dtype.kind == "M"):
        return np.full(len(labels), np.datetime64("NaT", "us"))
    return end.where(pd.Series(label).notna()).to_numpy(dtype="datetime64[us]")


def _dates_of_ends(ends: Sequence[NDArray[np.datetime64]], last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the dates before the last at which labels end, once those of every horizon do."""
    known = [np.unique(stated[~np.isnat(stated)]) for stated in ends]
    if not all(map(len, known)):
        return pd.DatetimeIndex([])
    dates = np.unique(np.concatenate(known))
    since = max(own[0] for own in known)
    return pd.DatetimeIndex(dates[(dates >= since) & (dates < last.to_datetime64())])


def _in_turn(
    kinds: Sequence[pd.DatetimeIndex], n_dates: int, generator: np.random.Generator
) -> list[pd.Timestamp]:
    """Sample dates from each kind in turn, as long as it has some."""
    orders = [kind[generator.permutation(len(kind))] for kind in kinds]
    dates = (order[place] for place in range(n_dates) for order in orders if place < len(order))
    return sorted(islice(dict.fromkeys(dates), n_dates))


def _parting_ends(index: pd.Index, stated: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Return the label ends that come before others of the same date."""
    codes = date_codes(index).codes
    ends = np.where(np.isnat(stated), np.iinfo(np.int64).min, stated.astype(np.int64))
    latest = np.full(int(codes.max(initial=-1)) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, codes, ends)
    return np.unique(stated[~np.isnat(stated) & (ends < latest[codes])])


def _doubtful_dates(panel: pd.DataFrame, delisted_after: int) -> pd.DatetimeIndex:
    """Return dates on which a name is gone, and not known to be, or seems to be, and comes back.

    These are the date after its last bar, and the date before its return.

    >>> from model2_assets.panel import panel_index
    >>> days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
    >>> index = panel_index(list("ABCAAAC"), days[[0, 0, 0, 1, 2, 3, 3]])
    >>> dates = _doubtful_dates(pd.DataFrame({"close": 1.0}, index=index), delisted_after=1)
    >>> dates.strftime("%Y-%m-%d").tolist()
    ['2024-01-03', '2024-01-04']
    """
    dates, own = date_codes(panel.index), histories(panel)
    date, is_member = dates.codes[own.order], in_universe(panel)[own.order]
    missed = np.diff(date, append=0) - 1
    missed[own.last] = 0
    is_back = is_member & (missed > delisted_after)
    is_gone = np.zeros(len(date), dtype=bool)
    is_gone[own.last] = is_member[own.last]
    codes = np.union1d(date[is_gone] + 1, (date + missed)[is_back])
    calendar = pd.DatetimeIndex(dates.values)
    return calendar[codes[codes < len(calendar)]]


def _compare_ended(
    labels: pd.DataFrame,
    ends: Mapping[str, NDArray[np.datetime64]],
    rebuilt: pd.DataFrame,
    cut: pd.Timestamp,
) -> TableDifference:
    """Compare the labels that had ended by a date; one that is missing is different."""
    if not rebuilt.index.equals(labels.index):
        rebuilt = rebuilt[~rebuilt.index.duplicated()].reindex(labels.index)
    rebuilt = rebuilt.reindex(columns=list(ends))
    n_values = n_different = 0
    first = ""
    for name, stated in ends.items():
        ended = stated <= cut.to_datetime64()
        before = labels[name].to_numpy()[ended]
        after = rebuilt[name].to_numpy(dtype=before.dtype)[ended]
        different = ~(np.abs(after - before) <= LABEL_TOLERANCE_BPS)
        if different.any() and not first:
            chosen = int(np.argmax(different))
            row = int(np.flatnonzero(ended)[chosen])
            first = (
                f"{name} of {row_name(labels.index, row)}, which ends on "
                f"{pd.Timestamp(stated[row]):%Y-%m-%d}, is {before[chosen]:.6g} bps, but "
                f"{after[chosen]:.6g}"
            )
        n_values += len(different)
        n_different += int(different.sum())
    return TableDifference(n_values, n_different, first)


def _recompute(
    history: pd.DataFrame,
    config: FeaturesConfig,
    cut: pd.Timestamp,
    extra: Sequence[pd.DataFrame],
) -> pd.DataFrame:
    try:
        return make_features(history, config, extra)
    except Exception as error:
        where = config.builder or "the feature builder"
        kind = "" if isinstance(error, Model2Error) else f"{type(error).__name__}: "
        raise FeatureError(
            f"features.builder: {where} fails on history that ends on {cut:%Y-%m-%d} "
            f"({kind}{error}); it must work on history up to any date that has features"
        ) from error


def compare_tables(stored: pd.DataFrame, recomputed: pd.DataFrame) -> TableDifference:
    """Compare the floats of two tables in canonical order value by value.

    Columns of another type are for the check `contract`, which refuses them. Values are equal if
    their bits are, or if both are missing. The first is that of the earliest row, and among its
    features the leftmost.
    """
    one_sided = [
        *_one_sided(stored, recomputed, "has features, but none", "is there, but not"),
        *_one_sided(recomputed, stored, "has no features, but some", "is not there, but is"),
    ]
    if not stored.index.equals(recomputed.index):
        positions = recomputed.index.get_indexer(stored.index)
        stored, recomputed = stored[positions >= 0], recomputed.iloc[positions[positions >= 0]]
    names = [
        name for name in stored.columns if name in recomputed and stored[name].dtype.kind == "f"
    ]
    n_different, first_row, first_name = 0, 0, ""
    pairs = zip(row_chunks(stored), row_chunks(recomputed), strict=True)
    for start, (left, right) in zip(count(step=CHUNK_ROWS), pairs, strict=False):
        rows, columns = np.nonzero(_different(left, right, names))
        if len(rows) and not n_different:
            first_row, first_name = start + int(rows[0]), names[columns[0]]
        n_different += len(rows)
    first_difference = one_sided[0] if one_sided else ""
    if n_different:
        instrument, date = stored.index[first_row]
        before, after = (table[first_name].iloc[first_row] for table in (stored, recomputed))
        first_difference = (
            f"feature {first_name!r} of {instrument} on {date:%Y-%m-%d} is {before!s}, "
            f"but {after!s}"
        )
    return TableDifference(
        n_values=len(stored) * len(names),
        n_different=n_different,
        first_difference=first_difference,
    )


def _one_sided(left: pd.DataFrame, right: pd.DataFrame, row: str, feature: str) -> Iterator[str]:
    if not left.index.equals(right.index):
        alone = np.flatnonzero(~left.index.isin(right.index))
        if len(alone):
            instrument, date = left.index[alone[0]]
            yield f"{instrument} on {date:%Y-%m-%d} {row}"
    yield from (f"feature {name!r} {feature}" for name in left.columns if name not in right)


def _different(left: pd.DataFrame, right: pd.DataFrame, names: list[str]) -> NDArray[np.bool_]:
    """Return which values differ in a bit, unless both are missing: shape (n_rows, n_names)."""
    left, right = (side if list(side.columns) == names else side[names] for side in (left, right))
    before = np.ascontiguousarray(left.to_numpy())
    after = np.ascontiguousarray(right.to_numpy(dtype=before.dtype))
    bits = np.dtype(f"u{before.dtype.itemsize}")
    different: NDArray[np.bool_] = before.view(bits) != after.view(bits)
    if different.any():
        different &= ~(np.isnan(before) & np.isnan(after))
    return different
