"""Folds and paths of all models side by side."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from model2_assets.reports._document import Column, Row, Section, Table
from model2_assets.reports._keys import split_key
from model2_assets.reports._numbers import number
from model2_assets.reports._score_tables import METRICS


def fold_section(scores: Mapping[str, pd.DataFrame]) -> Section:
    """Return the rank IC of every fold and, where there are several, of every path."""
    tables = [_unit_table(scores, "fold")]
    if any(int(frame["path_id"].nunique()) > 1 for frame in scores.values()):
        tables.append(_unit_table(scores, "path"))
    return Section("folds", "Rank IC by fold and path", tuple(tables))


def _unit_table(scores: Mapping[str, pd.DataFrame], scope: str) -> Table:
    by_key = {}
    for key, frame in scores.items():
        chosen = frame[(frame["scope"] == scope) & (frame["metric"] == "rank_ic")]
        ids = chosen[f"{scope}_id"].astype("int64")
        by_key[key] = dict(zip(ids.tolist(), chosen["value"].tolist(), strict=True))
    units = sorted(set().union(*by_key.values())) if by_key else []
    spec = METRICS["rank_ic"].spec
    rows = []
    for key, values in by_key.items():
        horizon, model = split_key(key)
        found = [values.get(unit, float("nan")) for unit in units]
        spread = float(np.nanstd(found, ddof=1)) if np.isfinite(found).sum() > 1 else float("nan")
        rows.append(
            Row((model, horizon, *(number(value, spec) for value in found), number(spread, ".4f")))
        )
    name = scope.capitalize()
    return Table(
        f"rank-ic-by-{scope}",
        f"Mean daily rank IC by {scope}",
        (
            Column("Model", is_text=True),
            Column("Horizon", is_text=True),
            *(Column(f"{name} {unit}") for unit in units),
            Column(f"Std. dev. over {scope}s"),
        ),
        tuple(rows),
        note=_UNIT_NOTES[scope],
    )


_UNIT_NOTES = {
    "fold": "A fold holds few independent windows: its rank IC alone proves little.",
    "path": "A path is one complete history of single predictions. Paths share models and dates, "
    "so their spread is no standard error.",
}
