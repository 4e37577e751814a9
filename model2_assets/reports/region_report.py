"""The report of a region: every model and horizon side by side."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from model2_assets.config import RegionConfig
from model2_assets.evaluation import leaderboard_version, oof_rank_correlation
from model2_assets.provenance import data_versions_of
from model2_assets.reports._caveats import caveats
from model2_assets.reports._document import KeyFigure, Report
from model2_assets.reports._history_section import history_section
from model2_assets.reports._keys import split_key
from model2_assets.reports._leaderboard_section import leaderboard_section
from model2_assets.reports._numbers import number, period
from model2_assets.reports._provenance import region_settings
from model2_assets.reports._region_statistics import daily_histories
from model2_assets.reports._render import render
from model2_assets.reports._unit_section import fold_section
from model2_assets.reports._versions_section import versions_section


def region_report(
    board: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    oof: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    *,
    region: str,
    config: RegionConfig,
    partitions: Sequence[str],
    reports: Collection[str],
) -> str:
    """Write the report of a region.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.
    scores, oof : mapping of str to DataFrame
        Scores and out-of-fold predictions by partition key, such as ``21d|ridge``.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance; charts leave out predictions of other labels.
    region : str
        Its name.
    config : RegionConfig
        Its settings.
    partitions : sequence of str
        Keys of all its partitions; those that are not in the leaderboard are named.
    reports : collection of str
        Keys of those that have a tear sheet to link to.

    Returns
    -------
    str
        A self-contained HTML document, the same for the same input.
    """
    several_paths = any(int(frame["path_id"].nunique()) > 1 for frame in scores.values())
    horizons = list(dict.fromkeys(split_key(key)[0] for key in partitions))
    report = Report(
        title=f"Region {region}",
        subtitle=_subtitle(oof),
        figures=_figures(board, horizons=horizons, n_partitions=len(partitions)),
        inputs={**data_versions_of(labels=labels), "leaderboard": leaderboard_version(board)},
        caveats=(*caveats(config, several_paths=several_paths), _CHOICE),
        sections=(
            leaderboard_section(
                board, oof_rank_correlation(oof), partitions=partitions, reports=reports
            ),
            history_section(daily_histories(oof, labels), horizons=horizons),
            fold_section(scores),
            versions_section(oof, region_settings(config)),
        ),
    )
    return render(report)


_CHOICE = (
    "Chosen as best",
    "The best of several models flatters by having been chosen; DSR and PBO say by how much it "
    "may be luck.",
)


def _subtitle(oof: Mapping[str, pd.DataFrame]) -> str:
    if not oof:
        return "Out-of-fold predictions: none yet"
    dates = pd.DatetimeIndex(
        sorted(
            {
                end
                for frame in oof.values()
                for end in frame.index.get_level_values("datetime").sort_values()[[0, -1]]
            }
        )
    )
    n_names = max(frame.index.get_level_values("instrument").nunique() for frame in oof.values())
    return f"Out-of-fold predictions of {n_names:,} instruments, {period(dates)}"


def _figures(
    board: pd.DataFrame, *, horizons: Sequence[str], n_partitions: int
) -> tuple[KeyFigure, ...]:
    best = [_best(board[board["horizon"] == horizon], horizon) for horizon in horizons]
    scored = KeyFigure(
        "Partitions", f"{len(board)} of {n_partitions}", "models × horizons that are scored"
    )
    return (scored, *best)


def _best(board: pd.DataFrame, horizon: str) -> KeyFigure:
    known = board.dropna(subset=["rank_ic"])
    if known.empty:
        return KeyFigure(f"Best rank IC, {horizon}", number(float("nan"), "+.4f"), "no score yet")
    line = known.iloc[0]
    return KeyFigure(
        f"Best rank IC, {horizon}",
        number(line["rank_ic"], "+.4f"),
        f"{line['model']}, t {number(line['rank_ic_t'], '+.2f')}",
    )
