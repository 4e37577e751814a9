"""What the leaderboard's page shows: tables, two pictures, and numbers whose history it plots."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model2_assets.defs.metadata import picture, table
from model2_assets.defs.partitions import split_partition_key

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from model2_assets.charts import Draw
    from model2_assets.evaluation import OOFCorrelation

_CELL_PX = (150, 56)
_MARGIN_PX = (110, 60)


def leaderboard_metadata(
    board: "pd.DataFrame",
    *,
    changes: "pd.DataFrame",
    correlation: "OOFCorrelation",
    problems: Mapping[str, str],
    costs: "pd.DataFrame",
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
    costs : DataFrame of shape (n_results, 6)
        What every step cost, columns of `model2_assets.costs.COLUMNS`.

    Returns
    -------
    dict of str to metadata value
        Scalars are numbers, one per model and horizon among them, so that the UI plots their
        history from one materialization to the next.
    """
    import pandas as pd

    from model2_assets.leaderboard_view import readable_board, readable_changes

    tables = readable_board(board)
    shown: dict[str, Any] = {
        "dagster/row_count": len(board),
        "leaderboard": table(tables["scores"]),
        "leaderboard_making": table(tables["making"]),
        "leaderboard_details": table(tables["details"]),
        "rank_ic_heatmap": _rank_ic_heatmap(board),
        "rank_ic_changes": table(readable_changes(changes)),
        "outdated_partitions": len(problems),
        **_costs(costs),
    }
    if problems:
        rows = [(*split_partition_key(key), problem) for key, problem in problems.items()]
        shown["partitions_to_renew"] = table(
            pd.DataFrame(rows, columns=["horizon", "model", "what is wrong"])
        )
    if len(correlation.matrix) > 1:
        shown |= _correlation(correlation)
    return shown | _numbers(board)


def _costs(costs: "pd.DataFrame") -> dict[str, Any]:
    from model2_assets.costs import total_costs

    total = total_costs(costs)
    return {
        "costs": table(costs.dropna(subset="seconds")),
        "hours": total.hours,
        "peak_rss_gb": total.peak_rss_gb,
    }


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
        "oof_rank_correlation_heatmap": _correlation_heatmap(matrix),
        "oof_rank_correlation_rows": correlation.n_rows,
        "oof_rank_correlation_mean": correlation.mean_between,
    }


def _rank_ic_heatmap(board: "pd.DataFrame") -> Any:
    from model2_assets.charts import draw_rank_ic_heatmap
    from model2_assets.leaderboard_view import by_model_and_horizon

    rank_ic, t_statistic = (by_model_and_horizon(board, name) for name in ("rank_ic", "rank_ic_t"))
    return _picture_of_cells(
        lambda axes: draw_rank_ic_heatmap(axes, rank_ic, t_statistic), rank_ic.shape
    )


def _correlation_heatmap(matrix: "pd.DataFrame") -> Any:
    from model2_assets.charts import draw_heatmap

    def draw(axes: "Axes") -> None:
        draw_heatmap(axes, matrix, limit=1.0)
        axes.set_title("Rank correlation of out-of-fold columns, mean over dates")

    return _picture_of_cells(draw, matrix.shape)


def _picture_of_cells(draw: "Draw", shape: tuple[int, int]) -> Any:
    """Return a picture whose cells have the same size whatever their number."""
    from model2_assets.charts import png

    rows, columns = (max(size, 1) for size in shape)
    width, height = _MARGIN_PX[0] + _CELL_PX[0] * columns, _MARGIN_PX[1] + _CELL_PX[1] * rows
    return picture(png(draw, width_px=width, height_px=height))
