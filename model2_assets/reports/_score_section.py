"""Scores of one horizon and model, by fold and path."""

import pandas as pd

from model2_assets.charts import (
    draw_fold_rank_ic,
    draw_score_distribution,
    svg,
)
from model2_assets.evaluation import (
    LAG_OVERLAPS,
    fold_rank_ic,
    has_several_paths,
)
from model2_assets.reports._document import Chart, Section, Table
from model2_assets.reports._partition_statistics import PartitionStatistics
from model2_assets.reports._score_tables import fold_table, path_table, split_table
from model2_assets.reports._sizes import FULL_PX


def score_section(scores: pd.DataFrame, oof: pd.DataFrame, found: PartitionStatistics) -> Section:
    """Return the scores by fold and path, and by split where these differ from folds."""
    label = pd.Series(found.label, index=oof.index)
    folds = fold_rank_ic(oof, label, lag=LAG_OVERLAPS * found.overlap_days)
    blocks: list[Table | Chart] = [
        fold_table(scores, oof),
        Chart(
            "rank-ic-by-fold",
            "Rank IC of every fold",
            svg(lambda axes: draw_fold_rank_ic(axes, folds), width_px=FULL_PX, height_px=230),
        ),
        path_table(scores),
    ]
    if has_several_paths(scores):
        blocks += [
            Chart(
                "score-distribution",
                "Rank IC of every split and path",
                svg(
                    lambda axes: draw_score_distribution(axes, scores),
                    width_px=FULL_PX,
                    height_px=250,
                ),
            ),
            split_table(scores),
        ]
    return Section("scores", "Scores", tuple(blocks))
