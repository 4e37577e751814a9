import numpy as np
import pandas as pd
import pytest

from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.errors import ConfigError
from model2_assets.features import build_features_from_config
from model2_assets.features.build import make_features
from model2_assets.labels import build_labels_from_config, make_labels
from model2_assets.market_data import synthetic_panel
from model2_assets.panel import is_canonical, to_canonical

HERE = "model2_assets_tests.test_builders"


@pytest.fixture(scope="module")
def panel():
    bars = synthetic_panel(n_instruments=4, n_dates=30, seed=1).assign(in_universe=True)
    return to_canonical(bars.set_index(["instrument", "datetime"]))


def backwards(panel, config):
    """Return rows in another order, with levels in another order."""
    table = pd.DataFrame({"scale": np.arange(len(panel)) * config.params["by"]}, index=panel.index)
    table = table.iloc[::-1].swaplevel()
    table.attrs = {"counts": {"rows": len(panel)}}
    return table


def without_index(panel, config):
    return panel.reset_index()


def by_instrument(panel, config):
    return panel.droplevel("datetime")


def misnamed(panel, config):
    return panel.rename_axis(["ticker", "date"])


def a_list(panel, config):
    return [1, 2, 3]


def failing(panel, config):
    return panel["no_such_column"]


def nothing(panel, config):
    return None


def a_series(panel, config):
    return panel["close"]


CASES = [
    (make_labels, LabelsConfig, "labels.builder"),
    (make_features, FeaturesConfig, "features.builder"),
]


def test_ours_is_used_where_none_is_named(panel):
    labels = LabelsConfig(horizons=(5,))
    features = FeaturesConfig(min_history_bars=10)
    pd.testing.assert_frame_equal(
        make_labels(panel, labels), build_labels_from_config(panel, labels)
    )
    pd.testing.assert_frame_equal(
        make_features(panel, features), build_features_from_config(panel, features)
    )


@pytest.mark.parametrize(("make", "config", "key"), CASES)
def test_own_builder_is_called_with_panel_and_config_and_put_in_order(panel, make, config, key):
    made = make(panel, config(builder=f"{HERE}:backwards", params={"by": 2}))
    assert list(made.index.names) == ["instrument", "datetime"]
    assert is_canonical(made.index)
    assert made.index.equals(panel.index)
    assert made["scale"].tolist() == list(range(0, 2 * len(panel), 2))
    assert made.attrs == {"counts": {"rows": len(panel)}}


@pytest.mark.parametrize(("make", "config", "key"), CASES)
@pytest.mark.parametrize(
    "name", ["without_index", "by_instrument", "misnamed", "a_list", "nothing", "a_series"]
)
def test_builder_that_returns_no_panel_is_named(panel, make, config, key, name):
    with pytest.raises(ConfigError) as caught:
        make(panel, config(builder=f"{HERE}:{name}"))
    assert str(caught.value) == (
        f"{key}: {HERE}:{name} must return a DataFrame indexed by (instrument, datetime)"
    )


@pytest.mark.parametrize(("make", "config", "key"), CASES)
def test_builder_that_cannot_be_imported_is_named(panel, make, config, key):
    with pytest.raises(ConfigError, match=f"^{key}: module '{HERE}' has no attribute 'absent'"):
        make(panel, config(builder=f"{HERE}:absent"))


@pytest.mark.parametrize(("make", "config", "key"), CASES)
def test_builder_that_fails_is_named_with_the_cause(panel, make, config, key):
    with pytest.raises(ConfigError) as caught:
        make(panel, config(builder=f"{HERE}:failing"))
    assert str(caught.value) == f"{key}: {HERE}:failing failed: KeyError: 'no_such_column'"
    assert isinstance(caught.value.__cause__, KeyError)
