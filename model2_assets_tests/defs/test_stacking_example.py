"""The stacking frame of a real retrain, and the script of docs/ that fits a stack on it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from model2_assets.config.partition import Partition
from model2_assets.defs.retrain import execute_plan, plan_region
from model2_assets.storage import Address
from model2_assets.storage.data_version import facts_of
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import SMALL_REGION, SMALL_XGBOOST, Workbench

pytestmark = pytest.mark.end_to_end

SCRIPT = Path(__file__).parents[2] / "docs" / "stacking.py"
COLUMNS = ["oof_21d_ridge", "oof_21d_xgboost", "oof_63d_ridge", "oof_63d_xgboost"]
NUMBER = r"(-?\d+\.\d+|NaN)"


def test_plain_pandas_reads_the_frame_and_finds_every_prediction_in_its_row(
    trained: Trained,
) -> None:
    frame = pd.read_parquet(trained.bench.store.base / "us" / "stacking_frame.parquet")

    assert [name for name in frame if name.startswith("oof_")] == COLUMNS
    for column in COLUMNS:
        _, horizon, model = column.split("_")
        oof = trained.bench.read("oof_predictions", horizon, model)
        pd.testing.assert_series_equal(
            frame[column].dropna().rename("prediction"), oof["prediction"], check_exact=True
        )
        assert (frame.loc[oof.index, "fold_id"] == oof["fold_id"]).all()
        assert (frame[f"label_{horizon}"].notna() == frame[column].notna()).all()
    # 63-day labels end 42 dates earlier; 12 instruments.
    assert int(frame["label_63d"].isna().sum()) == 42 * 12


def test_the_script_prints_the_stack_beside_every_base_model(
    trained: Trained, tmp_path: Path
) -> None:
    config = {"regions": {"us": SMALL_REGION}, "models": {"xgboost": {"params": SMALL_XGBOOST}}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")

    finished = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=os.environ
        | {"MODEL2_CONFIG": str(path), "MODEL2_STORAGE": str(trained.bench.store.base)}
        | {"PYTHONPATH": str(SCRIPT.parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert finished.returncode == 0, finished.stderr
    output = finished.stdout
    assert "columns of all horizons may be stacked side by side" in output
    lines = ["stack (non-negative least squares)", "plain mean", *COLUMNS]
    for horizon in ("21d", "63d"):
        table = output.split(f"\nrealized_{horizon}: ")[1].split("weights,")[0]
        rows = re.findall(rf"^(.*?)\s+{NUMBER}\s+{NUMBER}\s+(\d+)$", table, flags=re.MULTILINE)
        assert [row[0] for row in rows] == lines
        assert ", 5 folds" in table
        for column in COLUMNS:
            assert re.search(rf"^{column}\s+0?\.?\d", output, flags=re.MULTILINE)
    frame = trained.bench.read("stacking_frame").dropna()
    ic = frame.groupby("datetime").apply(
        lambda date: date["oof_21d_ridge"].corr(date["realized_21d"], method="spearman")
    )
    first = output.split("\nrealized_21d: ")[1]
    printed = re.search(rf"^oof_21d_ridge\s+{NUMBER}", first, flags=re.MULTILINE)
    assert printed is not None
    np.testing.assert_allclose(float(printed[1]), ic.mean(), atol=5.1e-5)
    assert "Its score is optimistic all the same" in output
    assert "no backtest" in output


def test_the_page_of_scores_compares_two_models_date_by_date(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = SCRIPT.with_name("scores.md").read_text(encoding="utf-8")
    example, _ = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.setenv("MODEL2_STORAGE", str(trained.bench.store.base))
    there: dict[str, Any] = {}

    exec(example, there)

    frame = trained.bench.read("stacking_frame").dropna(subset=["realized_21d"])
    ridge, xgboost = (
        frame.groupby("datetime").apply(
            lambda date, column=column: date[column].corr(date["realized_21d"], method="spearman")
        )
        for column in ("oof_21d_ridge", "oof_21d_xgboost")
    )
    expected = xgboost - ridge
    np.testing.assert_allclose(there["difference"].mean, expected.mean(), rtol=1e-9)
    assert there["difference"].n_dates == len(expected)


def test_columns_of_other_splits_are_refused_and_the_last_frame_stays(bench: Workbench) -> None:
    models = ("ridge",)
    assert all(run.success for run in bench.retrain(horizons=("21d",), models=models))
    before = bench.read("stacking_frame")
    splits = bench.read("cv_splits")
    splits.attrs["provenance"] = {**facts_of(splits), "data_version": "another"}
    bench.store.write(Address("us", "cv_splits"), splits)

    plan = plan_region("us", [Partition("21d", model) for model in models])
    (summary,) = execute_plan(bench.definitions, bench.instance, plan[-1:])

    assert any(
        "check same_inputs" in failure
        and "21d|ridge was made from other cv_splits than those at hand" in failure
        for failure in summary.failures
    )
    assert facts_of(bench.read("stacking_frame")) == facts_of(before)
    assert bench.store.exists(Address("us", "leaderboard"))
