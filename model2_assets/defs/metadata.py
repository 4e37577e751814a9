"""Tables and pictures as Dagster's metadata."""

import base64
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.config.partition import Partition

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.checks import CheckOutcome
    from model2_assets.checks.summary import RunHistory
    from model2_assets.evaluation import OOFCorrelation
    from model2_assets.reports.canvas import Draw


def table(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """Return a frame as table metadata: floats to six digits, dates as text, nulls empty."""
    records = [
        dg.TableRecord({str(name): _cell(value) for name, value in row.items()})
        for row in frame.to_dict("records")
    ]
    columns = [dg.TableColumn(str(name), _kind(frame[name])) for name in frame.columns]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """Return a PNG as metadata; the UI shows it behind "Show Markdown"."""
    return dg.MetadataValue.md(_embedded(png))


def gallery(pictures: Mapping[str, bytes]) -> dg.MarkdownMetadataValue:
    """Return PNGs under their titles as one metadata entry, so that one click shows all."""
    shown = (f"#### {title}\n\n{_embedded(png)}" for title, png in pictures.items())
    return dg.MetadataValue.md("\n\n".join(shown))


def readable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with numbers as people read them: six significant digits."""
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in finite(metadata).items()
    }


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata whose infinite and missing numbers are text: the UI refuses such numbers."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def label_summary(labels: "pd.DataFrame", horizons: Sequence[str]) -> dg.TableMetadataValue:
    """Return count, spread and range of every horizon's label, in bps."""
    import pandas as pd

    names = [name for name in (f"label_{horizon}" for horizon in horizons) if name in labels]
    described = labels[names].describe(percentiles=[0.05, 0.5, 0.95]).T
    return table(pd.DataFrame(described.rename_axis("label (bps)").reset_index()))


def features_left_out(left_out: Mapping[str, Sequence[str]]) -> str:
    """Return which features were left out and for want of which columns."""
    wants: dict[str, list[str]] = {}
    for feature, columns in left_out.items():
        wants.setdefault(", ".join(columns), []).append(feature)
    return "; ".join(f"for want of {c}: {', '.join(f)}" for c, f in wants.items()) or "none"


def missing_values(features: "pd.DataFrame") -> dg.TableMetadataValue:
    """Return which features have missing values: how many, and their share of the rows."""
    from model2_assets.evaluation.stability import incomplete_features

    return table(incomplete_features(features))


def scores_table(scores: "pd.DataFrame") -> dg.TableMetadataValue:
    """Return a row for every fold and for all, of splits and paths where there are several."""
    from model2_assets.evaluation.scores import has_several_paths, wide_scores

    wide = wide_scores(scores)
    return table(wide if has_several_paths(scores) else wide[wide["scope"].isin(["fold", "all"])])


def outcomes_table(outcomes: "Sequence[CheckOutcome]") -> dg.TableMetadataValue:
    """Return a row for each of several predicates: whether it holds, and what it found."""
    import pandas as pd

    rows = [
        (outcome.name, outcome.passed, outcome.severity, outcome.description)
        for outcome in outcomes
    ]
    return table(pd.DataFrame(rows, columns=["predicate", "holds", "severity", "finding"]))


def overall_scores(scores: "pd.DataFrame") -> dict[str, float]:
    """Return the scores over all rows by name, with the unit in it; undefined ones left out."""
    from model2_assets.evaluation import METRICS
    from model2_assets.evaluation import scores as evaluated

    return {
        METRICS[name].key: METRICS[name].plain(value)
        for name, value in evaluated.overall_scores(scores).items()
        if not math.isnan(value)
    }


def _embedded(png: bytes) -> str:
    return f"![](data:image/png;base64,{base64.b64encode(png).decode()})"


def _cell(value: Any) -> str | int | float | bool | None:
    import pandas as pd

    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float):
        return float(f"{plain:.6g}")
    return plain if isinstance(plain, str | int | bool) else str(plain)


def _kind(values: "pd.Series") -> str:
    return {"f": "float", "i": "int", "u": "int", "b": "bool"}.get(values.dtype.kind, "string")


def leaderboard_metadata(
    board: "pd.DataFrame", history: "RunHistory", correlation: "OOFCorrelation"
) -> dict[str, Any]:
    """Return the metadata of a leaderboard, of its changes, problems, costs and correlations.

    Scalars are numbers, one per model and horizon among them, so that the UI plots their history
    from one materialization to the next.
    """
    import pandas as pd

    from model2_assets.evaluation.leaderboard import readable_board, readable_changes

    tables = readable_board(board)
    shown: dict[str, Any] = {
        "leaderboard": table(tables["scores"]),
        "leaderboard_making": table(tables["making"]),
        "leaderboard_details": table(tables["details"]),
        "rank_ic_heatmap": _rank_ic_heatmap(board),
        "rank_ic_changes": table(readable_changes(history.changes)),
        "outdated_partitions": len(history.problems),
        **_costs(history.costs),
    }
    if history.problems:
        rows = [(*Partition.parse(key), problem) for key, problem in history.problems.items()]
        shown["partitions_to_renew"] = table(
            pd.DataFrame(rows, columns=["horizon", "model", "what is wrong"])
        )
    if len(correlation.matrix) > 1:
        shown |= _correlation(correlation)
    return shown | _numbers(board)


def _costs(costs: "pd.DataFrame") -> dict[str, Any]:
    from model2_assets.training.resources import total_costs

    hours, peak_rss_gb, _ = total_costs(costs)
    known = table(costs.dropna(subset="seconds"))
    return {"costs": known, "hours": hours, "peak_rss_gb": peak_rss_gb}


def _numbers(board: "pd.DataFrame") -> dict[str, float]:
    from model2_assets.evaluation.leaderboard import numbers_of_partitions

    known = board.dropna(subset=["rank_ic"])
    best = known.groupby("horizon", sort=False)["rank_ic"].max()
    return {
        **{f"best_rank_ic_{horizon}": float(value) for horizon, value in best.items()},
        **numbers_of_partitions(board),
    }


def _correlation(correlation: "OOFCorrelation") -> dict[str, Any]:
    from model2_assets.reports.data_charts import draw_heatmap

    matrix = correlation.matrix
    title = "Rank correlation of out-of-fold columns, mean over dates"
    return {
        "oof_rank_correlation": table(matrix.round(3).rename_axis("partition").reset_index()),
        "oof_rank_correlation_heatmap": _picture_of_cells(
            partial(draw_heatmap, limit=1.0, title=title), matrix
        ),
        "oof_rank_correlation_rows": correlation.n_rows,
        "oof_rank_correlation_mean": correlation.mean_between,
    }


def _rank_ic_heatmap(board: "pd.DataFrame") -> Any:
    from model2_assets.evaluation.leaderboard import by_model_and_horizon
    from model2_assets.reports.data_charts import draw_rank_ic_heatmap

    rank_ic, t_statistic = (by_model_and_horizon(board, name) for name in ("rank_ic", "rank_ic_t"))
    return _picture_of_cells(draw_rank_ic_heatmap, rank_ic, t_statistic)


def _picture_of_cells(draw: "Draw", *matrices: "pd.DataFrame") -> Any:
    """Return a picture whose cells have the same size whatever their number."""
    from model2_assets.reports.canvas import png

    rows, columns = (max(size, 1) for size in matrices[0].shape)
    return picture(png(draw, *matrices, width_px=110 + 150 * columns, height_px=60 + 56 * rows))
