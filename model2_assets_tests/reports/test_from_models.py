"""The tear sheet of models in memory says what the one of stored models says."""

import re

import pytest

import model2_assets as m2
from model2_assets.errors import TrainingError
from model2_assets.evaluation.metrics import METRICS
from model2_assets.reports import PARTITION_PARTS


@pytest.fixture(scope="module")
def tables() -> m2.Tables:
    market = {"n_instruments": 12, "n_dates": 260, "seed": 3}
    panel = m2.load_market_data({"source": "synthetic", "params": market}).panel
    labels = m2.build_labels_from_config(panel, {"horizons": [5]})
    features = m2.build_features_from_config(panel, {})
    splits = m2.build_cv_splits(features.index, labels, {"n_groups": 4, "n_test_groups": 2})
    return m2.Tables(features, labels, splits)


def test_a_page_without_a_store(tables: m2.Tables) -> None:
    data = tables.of_horizon("5d")
    models = m2.cross_validate(lambda: m2.RidgeTrainer(params={}, seed=7), data, calibrates=True)

    page = m2.tear_sheet(models, tables, horizon="5d", name="ridge")

    found = set(re.findall(r'id="([\w-]+)"', page))
    assert set(PARTITION_PARTS) <= found
    assert "region_report" not in page
    assert "inner_slope" in page
    oof = m2.predict_out_of_fold(models, data)
    scores = m2.score_partition(oof, tables.labels, m2.Partition("5d", "ridge"))
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert METRICS["rank_ic"].text(overall["rank_ic"]) in page


def test_a_split_without_its_model_is_named(tables: m2.Tables) -> None:
    data = tables.of_horizon("5d")
    models = m2.cross_validate(lambda: m2.RidgeTrainer(params={}, seed=7), data)

    with pytest.raises(TrainingError, match="split 5 has no model"):
        m2.tear_sheet(models[:-1], tables, horizon="5d")
