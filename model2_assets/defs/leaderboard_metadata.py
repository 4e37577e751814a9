"""What the leaderboard's page shows: tables, two pictures, and numbers whose history it plots."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model2_assets.defs.metadata import picture, table
from model2_assets.defs.partitions import split_partition_key

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.evaluation import OOFCorrelation

_CELL_PX = (150, 44)
_MARGIN_PX = (110, 50)


def leaderboard_metadata(
    board: "pd.DataFrame",
    *,
    changes: "pd.DataFrame",
    correlation: "OOFCorrelation",
    problems: Mapping[str, str],
) -> dict[str, Any]:
    """Return the metadata of a leaderboard.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.
    changes : DataFrame of shape (n_partitions, n_columns)
        From `rank_ic_changes`.
    correlation : OOFCorrelation
        Between the out-of-fold columns.
    problems : mapping of str to str
        What is wrong with missing and outdated partitions, by partition key.

    Returns
    -------
    dict of str to metadata value
        Scalars are numbers, one per model and horizon among them, so that the UI plots their
        history from one materialization to the next.
    """
    import pandas as pd

    from model2_assets.leaderboard_view import (
        rank_ic_matrix,
        readable_board,
        readable_changes,
    )

    shown: dict[str, Any] = {
        "dagster/row_count": len(board),
        "leaderboard": table(readable_board(board)),
        "rank_ic_heatmap": _heatmap(rank_ic_matrix(board), text="{:+.4f}"),
        "rank_ic_changes": table(readable_changes(changes)),
        "outdated_partitions": len(problems),
    }
    if problems:
        rows = [(*split_partition_key(key), problem) for key, problem in problems.items()]
        shown["partitions_to_renew"] = table(
            pd.DataFrame(rows, columns=["horizon", "model", "what is wrong"])
        )
    if len(correlation.matrix) > 1:
        shown |= _correlation(correlation)
    return shown | _numbers(board)


def _numbers(board: "pd.DataFrame") -> dict[str, float]:
    from model2_assets.leaderboard_view import numbers_of_partitions

    known = board.dropna(subset=["rank_ic"])
    best = known.groupby("horizon", sort=False)["rank_ic"].max()
    return {
        **{f"best_rank_ic_{horizon}": float(value) for horizon, value in best.items()},
        **numbers_of_partitions(board),
    }


def _correlation(correlation: "OOFCorrelation") -> dict[str, Any]:
    matrix = correlation.matrix
    return {
        "oof_rank_correlation": table(matrix.round(3).rename_axis("partition").reset_index()),
        "oof_rank_correlation_heatmap": _heatmap(matrix, text="{:.2f}", limit=1.0),
        "oof_rank_correlation_of": (
            "mean over dates of the Spearman correlation across names, on the "
            f"{correlation.n_rows:,} rows of {correlation.n_dates:,} dates that all partitions have"
        ),
        "oof_rank_correlation_mean": correlation.mean_between,
    }


def _heatmap(matrix: "pd.DataFrame", *, text: str, limit: float | None = None) -> Any:
    from model2_assets.charts import draw_heatmap, png

    rows, columns = (max(size, 1) for size in matrix.shape)
    return picture(
        png(
            lambda axes: draw_heatmap(axes, matrix, text=text, limit=limit),
            width_px=_MARGIN_PX[0] + _CELL_PX[0] * columns,
            height_px=_MARGIN_PX[1] + _CELL_PX[1] * rows,
        )
    )
