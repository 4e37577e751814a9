"""What is on disk, read again and checked."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from model2_assets.checks import CheckOutcome
from model2_assets.checks import stored as evaluating
from model2_assets.checks.catalogue import Severity
from model2_assets.checks.stored import (
    StoredFiles,
    check_made_from,
    check_unaltered,
    evaluate_stored,
    verdict_of,
)
from model2_assets.config.partition import Partition
from model2_assets.errors import StoreError
from model2_assets.storage import PRODUCTS, Address, Store
from model2_assets.storage.data_version import table_digest, with_provenance
from model2_assets_tests.defs.small_region import small_config
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_splits, feature_importance, labels, oof_predictions

HOLDS = CheckOutcome("readable", passed=True, description="3 rows keep Labels")
WARNS = CheckOutcome("same_inputs", passed=False, description="two vintages", severity="warn")
FAILS = CheckOutcome("range", passed=False, description="too large")


def marked(frame: pd.DataFrame, **inputs: str) -> pd.DataFrame:
    return with_provenance(frame, data_version=table_digest(frame), inputs=inputs)


def test_a_table_with_the_digest_that_it_states_is_unaltered() -> None:
    assert check_unaltered(marked(oof_predictions())).passed


def test_one_other_value_is_an_alteration() -> None:
    frame = oof_predictions(prediction=(1.5, -2.5, 3.5))
    frame.attrs = marked(oof_predictions()).attrs

    outcome = check_unaltered(frame)

    assert not outcome.passed
    assert "it was altered since it was written; materialize it again" in outcome.description


def test_a_table_that_states_no_version_is_not_trusted() -> None:
    outcome = check_unaltered(oof_predictions())

    assert not outcome.passed
    assert "states no data version" in outcome.description


def files(folder: Path, horizon: str | None = None, model: str | None = None) -> StoredFiles:
    partition = Partition(horizon, model) if horizon and model else None
    return StoredFiles(small_config(), "us", partition, store=Store(folder))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"labels": table_digest(labels()), "cv_splits": "c1"}, ""),
        ({"labels": "other", "cv_splits": "c1"}, "made from labels of version other, but"),
        ({"labels": table_digest(labels())}, "states no version of cv_splits"),
        ({}, "states no version of cv_splits, labels; materialize oof_predictions again"),
    ],
)
def test_a_table_is_compared_with_what_lies_beside_it(
    tmp_path: Path, inputs: dict[str, str], message: str
) -> None:
    store = Store(tmp_path)
    store.write(Address("us", "labels"), marked(labels()))
    splits = with_provenance(cv_splits(), data_version="c1", inputs={})
    store.write(Address("us", "cv_splits"), splits)
    oof = marked(oof_predictions(), **inputs)
    store.write(Address("us", "oof_predictions", "21d", "ridge"), oof)

    finding = check_made_from(
        files(tmp_path, "21d", "ridge"), "oof_predictions", ["labels", "cv_splits"]
    )

    assert finding.passed == (not message)
    assert message in finding.description


def test_an_input_that_is_not_recorded_is_named(tmp_path: Path) -> None:
    address = Address("us", "fitted_models", "21d", "ridge")
    Store(tmp_path).write(address, fitted())

    with pytest.raises(StoreError, match=r"labels.parquet: not there, or not recorded"):
        check_made_from(files(tmp_path, "21d", "ridge"), "fitted_models", ["labels"])


@pytest.mark.parametrize(
    ("outcomes", "passed", "severity", "description"),
    [
        ([HOLDS], True, "error", "3 rows keep Labels; hold: readable"),
        ([HOLDS, WARNS], False, "warn", "same_inputs: two vintages"),
        ([HOLDS, WARNS, FAILS], False, "error", "same_inputs: two vintages; range: too large"),
    ],
)
def test_verdict_names_what_fails_and_is_as_severe_as_the_worst(
    outcomes: list[CheckOutcome], passed: bool, severity: Severity, description: str
) -> None:
    failed = sum(not found.passed for found in outcomes)

    assert verdict_of(outcomes) == CheckOutcome(
        "stored",
        passed=passed,
        description=description,
        severity=severity,
        values={"predicates": len(outcomes), "failed_predicates": failed},
    )


@pytest.mark.parametrize("asset", PRODUCTS)
def test_whatever_is_not_there_is_a_failure_that_names_the_file(tmp_path: Path, asset: str) -> None:
    (outcome,) = evaluate_stored(files(tmp_path), asset)

    assert outcome.name == "readable"
    assert not outcome.passed
    assert str(tmp_path / "us" / asset) in outcome.description


def test_an_asset_without_predicates_has_to_be_readable(tmp_path: Path) -> None:
    Store(tmp_path).write(Address("us", "tear_sheet", "21d", "ridge"), "<html></html>")

    (outcome,) = evaluate_stored(files(tmp_path, "21d", "ridge"), "tear_sheet")

    text = "us/tear_sheet/21d/ridge/report.html can be read"
    assert outcome == CheckOutcome("readable", passed=True, description=text)


def test_fold_models_are_compared_with_their_manifest(tmp_path: Path) -> None:
    Store(tmp_path).write(Address("us", "fitted_models", "21d", "ridge"), fitted())

    outcomes = evaluate_stored(files(tmp_path, "21d", "ridge"), "fitted_models")

    assert outcomes[0].passed
    assert outcomes[0].description.startswith("2 models, 0.0")
    assert outcomes[1].name == "evaluated"
    assert "labels.parquet: not there" in outcomes[1].description


def test_a_predicate_that_breaks_is_a_failure_and_keeps_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> Any:
        yield FAILS
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(evaluating, "_outcomes", breaks)
    Store(tmp_path).write(Address("us", "labels"), labels())

    outcomes = evaluate_stored(files(tmp_path), "labels")

    assert [found.name for found in outcomes] == ["readable", "range", "evaluated"]
    assert outcomes[2].description == "cannot be evaluated: ZeroDivisionError: no rows"


def test_a_file_that_memory_does_not_suffice_to_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> Any:
        raise StoreError("labels.parquet: not a readable Parquet file") from MemoryError("8 GiB")

    Store(tmp_path).write(Address("us", "labels"), labels())
    monkeypatch.setattr(Store, "load", load)

    (outcome,) = evaluate_stored(files(tmp_path), "labels")

    assert not outcome.passed
    assert outcome.description == "no verdict, for lack of memory (8 GiB)"


def test_every_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.write(Address("us", "labels"), labels())
    store.write(Address("us", "feature_importance", "21d", "ridge"), feature_importance())
    found = files(tmp_path, "21d", "ridge")
    first = found.table("labels"), found.table("feature_importance")

    monkeypatch.setattr(Store, "load", lambda *_: pytest.fail("read again"))

    pd.testing.assert_frame_equal(found.table("labels"), first[0])
    pd.testing.assert_frame_equal(found.table("feature_importance"), first[1])
    assert found.every("cv_scores") == {}
    assert found.partition_keys == ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")
