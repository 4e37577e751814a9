"""The models of a region, fitted here and by the workers of a real cluster."""

from pathlib import Path

import pytest

from model2_assets_tests.defs.small_region import SMALL_XGBOOST
from model2_assets_tests.engines.cluster import running_cluster
from model2_assets_tests.engines.region import bits, fitted, region_config, store_tables


@pytest.mark.end_to_end
def test_workers_make_the_same_bits(tmp_path: Path) -> None:
    config = region_config(xgboost={"params": SMALL_XGBOOST})
    tables = store_tables(tmp_path / "data", config)
    with running_cluster(tmp_path / "cluster") as cluster:
        for model in ("ridge", "xgboost", "net"):
            here = fitted(config, tables, model)
            if model == "ridge":  # no sums of the fits before
                (folder,) = (tmp_path / "data").rglob("ridge_sums")
                folder.rename(folder.with_name("others"))
            there = fitted(config, tables, model, execution=cluster.execution())
            assert bits(there) == bits(here), model
        assert "Traceback" not in cluster.log()
