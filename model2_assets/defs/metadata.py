"""Tables and pictures as Dagster's metadata."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.checks import CheckOutcome


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
    from model2_assets.evaluation import incomplete_features

    return table(incomplete_features(features))


def scores_table(scores: "pd.DataFrame") -> dg.TableMetadataValue:
    """Return a row for every fold and for all, of splits and paths where there are several."""
    from model2_assets.evaluation import has_several_paths, wide_scores

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
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"].dropna()
    return {
        f"{name}{_SCORE_UNITS.get(str(name), '')}": int(value) if name in _COUNTS else float(value)
        for name, value in overall.items()
    }


_COUNTS = ("samples", "dates")
_SCORE_UNITS = {"mse": "_bps2", "rmse": "_bps", "mae": "_bps"}


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
