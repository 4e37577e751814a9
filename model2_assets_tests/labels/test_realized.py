"""What rows earned: forward returns, in excess of their date's mean, never winsorized."""

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import LabelsConfig
from model2_assets.errors import LabelError
from model2_assets.labels import build_labels_from_config, make_labels, realized_returns
from model2_assets.market_data import synthetic_panel, validate_panel
from model2_assets.panel import panel_index


def labels_of(**columns: list[float | None]) -> pd.DataFrame:
    """Return a table of the names A, B, C on two dates."""
    index = panel_index([*"ABC"] * 2, np.repeat(["2024-01-02", "2024-01-03"], 3))
    return pd.DataFrame(columns, index=index, dtype="float64")


def test_excess_is_over_the_labelled_rows_of_the_date_alone():
    labels = labels_of(
        forward_return_5d=[-3000.0, 100.0, 500.0, 7.0, 9.0, 14.0],
        label_5d=[-10.0, 10.0, None, 0.0, 0.0, 0.0],
    )

    plain = realized_returns(labels, "5d", excess=False)
    excess = realized_returns(labels, "5d", excess=True)

    assert plain.name == excess.name == "realized_5d"
    np.testing.assert_array_equal(plain, [-3000, 100, np.nan, 7, 9, 14])
    np.testing.assert_array_equal(excess, [-1550, 1550, np.nan, -3, -1, 4])


def test_rows_may_come_in_any_order():
    labels = labels_of(forward_return_5d=[1, 2, 6, 0, 0, 3], label_5d=[1, 2, 6, 0, 0, 3])
    shuffled = labels.iloc[[4, 2, 0, 5, 1, 3]]

    found = realized_returns(shuffled, "5d", excess=True)

    assert found.index.equals(shuffled.index)
    np.testing.assert_array_equal(found, [-1, 3, -2, 2, -1, -1])


@pytest.mark.parametrize("excess", [True, False])
def test_winsorizing_is_undone_and_nothing_else(excess):
    panel, _ = validate_panel(synthetic_panel(n_instruments=12, n_dates=80, seed=3))
    config = {"horizons": [5], "excess": excess}
    clipped = build_labels_from_config(panel, {**config, "winsorize": 0.2})
    whole = build_labels_from_config(panel, {**config, "winsorize": 0.0})

    realized = realized_returns(clipped, "5d", excess=excess)

    np.testing.assert_allclose(realized, whole["label_5d"], rtol=0, atol=1e-8)
    assert (abs(realized - clipped["label_5d"]) > 1).mean() > 0.2


def only_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    return build_labels_from_config(panel, config).drop(columns="forward_return_21d")


def test_table_without_forward_returns_is_refused_in_one_sentence():
    panel, _ = validate_panel(synthetic_panel(n_instruments=12, n_dates=120, seed=3))
    config = LabelsConfig(horizons=[5, 21], builder=f"{__name__}:only_labels")
    sentence = (
        "labels: the table has no column 'forward_return_21d', on which returns are scored; let "
        "labels.builder supply it: the return from entry to the label's own exit, in bps, neither "
        "in excess of anything nor winsorized"
    )

    with pytest.raises(LabelError) as refused:
        make_labels(panel, config)

    assert str(refused.value) == sentence
    with pytest.raises(LabelError, match="has no column 'forward_return_21d'"):
        realized_returns(only_labels(panel, config), "21d", excess=True)
