"""Models of a horizon over time."""

from collections.abc import Mapping, Sequence

import pandas as pd

from model2_assets.charts import draw_running_sums, svg
from model2_assets.reports._document import Chart, Section
from model2_assets.reports._keys import split_key
from model2_assets.reports._region_statistics import DailyHistory
from model2_assets.reports._sizes import HALF_PX


def history_section(histories: Mapping[str, DailyHistory], *, horizons: Sequence[str]) -> Section:
    """Return the running sums of rank IC and spread, the models of a horizon in one chart."""
    charts: list[Chart] = []
    for horizon in horizons:
        models = {
            split_key(key)[1]: found
            for key, found in histories.items()
            if split_key(key)[0] == horizon
        }
        rank_ic = {model: found.rank_ic for model, found in models.items()}
        spread = {model: found.spread for model, found in models.items()}
        charts += [
            _running(f"rank-ic-{horizon}", f"Rank IC, {horizon}", rank_ic, "sum of daily rank ICs"),
            _running(
                f"spread-{horizon}",
                f"Top less bottom quantile, {horizon}",
                spread,
                "sum of spreads, bps",
            ),
        ]
    return Section(
        "history",
        "Over time",
        tuple(charts),
        text="Running sums: slopes are to be compared, not heights. A date adds its spread over "
        "the days of its horizon, which is the mean of books that do not overlap; see the tear "
        "sheets for the range over their starting dates.",
    )


def _running(chart_id: str, title: str, series: Mapping[str, pd.Series], label: str) -> Chart:
    drawing = svg(
        lambda axes: draw_running_sums(axes, series, label=label),
        width_px=HALF_PX,
        height_px=280,
    )
    return Chart(chart_id, title, drawing, width="half")
