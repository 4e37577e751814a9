import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.cross_validation.table import uneven_folds
from model2_assets.panel import panel_index


def growing_splits(config, *, late_names):
    """Return splits of a panel that has one name at first, and more in its last fifth."""
    dates = pd.bdate_range("2020-01-01", periods=100)
    rows = [("A", date) for date in dates]
    rows += [(f"L{name}", date) for name in range(late_names) for date in dates[80:]]
    index = panel_index([name for name, _ in rows], [date for _, date in rows]).sort_values()
    ends = index.get_level_values("datetime")
    labels = pd.DataFrame(
        {"label_1d": np.arange(len(index)) * 1.0, "label_end_1d": ends}, index=index
    )
    return build_cv_splits(index, labels, config)


@pytest.mark.parametrize(("late_names", "told"), [(3, False), (4, True)])
def test_folds_of_more_than_four_times_the_rows_are_told(late_names, told):
    config = CrossValidationConfig(embargo_days=0)
    found = uneven_folds(growing_splits(config, late_names=late_names), config)
    # 20 rows in each of the first folds, 20 for each name in the last.
    expected = "fold 4 has 100 rows and fold 0 20" if told else ""
    assert found.startswith(expected)
    assert bool(found) == told
    assert found.endswith("set cross_validation.balance to rows" if told else "")


def test_balanced_folds_are_not_uneven():
    config = CrossValidationConfig(embargo_days=0, balance="rows")
    assert uneven_folds(growing_splits(config, late_names=9), config) == ""


def test_the_remedy_is_not_what_is_set_already():
    config = CrossValidationConfig(embargo_days=0)
    splits = growing_splits(config, late_names=9)
    balanced = config.model_copy(update={"balance": "rows"})
    assert uneven_folds(splits, balanced).endswith("or begin the history later")
    own = config.model_copy(update={"splitter": "mine:Splitter"})
    assert uneven_folds(splits, own).endswith("cut dates by their rows")
