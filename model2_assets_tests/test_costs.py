import numpy as np
import pandas as pd

from model2_assets.training.resources import COLUMNS, total_costs


def costs(*rows):
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(COLUMNS[2:], "float64"))


def test_seconds_of_all_steps_add_up_and_the_largest_memory_counts():
    total = total_costs(
        costs(
            ("features", "", 10, 1700, 90, 2500),
            ("oof_paths", "21d|ridge", 100, 1000, 700, 1500),
        )
    )
    assert (total.hours, total.peak_rss_gb, total.unknown) == (1.0, 2.5, ())


def test_steps_without_costs_are_named_and_not_counted():
    unknown = (None, None, None, None)
    total = total_costs(
        costs(
            ("features", "", *unknown),
            ("oof_paths", "21d|ridge", 0, 36, 0, 100),
            ("oof_paths", "21d|xgboost", *unknown),
            ("oof_paths", "63d|xgboost", *unknown),
        )
    )
    assert np.isclose(total.hours, 0.01)
    assert total.unknown == ("features", "oof_paths (2 partitions)")


def test_no_known_step_costs_nothing():
    total = total_costs(costs(("features", "", None, None, None, None)))
    assert (total.hours, total.peak_rss_gb, total.unknown) == (0, 0, ("features",))
