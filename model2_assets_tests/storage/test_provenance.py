import numpy as np
import pytest

from model2_assets.errors import StoreError
from model2_assets.storage.data_version import (
    data_version_of,
    data_versions_of,
    facts_of,
    require_made_from,
    table_digest,
    with_provenance,
)
from model2_assets_tests.sample_tables import cv_splits, labels, oof_predictions

OLD, NEW = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def test_provenance_is_attached_to_a_copy_that_shares_its_values():
    frame = labels()
    marked = with_provenance(frame, data_version=NEW, inputs={"market_data": OLD}, rows=3)
    assert frame.attrs == {}
    assert marked.equals(frame)
    assert np.shares_memory(marked["label_21d"].to_numpy(), frame["label_21d"].to_numpy())
    assert facts_of(marked) == {"data_version": NEW, "inputs": {"market_data": OLD}, "rows": 3}


def test_provenance_replaces_that_of_the_input_it_was_derived_from():
    frame = with_provenance(labels(), data_version=OLD, inputs={}, rows=3)
    marked = with_provenance(frame, data_version=NEW, inputs={"labels": OLD})
    assert facts_of(marked) == {"data_version": NEW, "inputs": {"labels": OLD}}
    assert data_version_of(frame) == OLD


def test_inputs_are_copied():
    inputs = {"labels": OLD}
    marked = with_provenance(cv_splits(), data_version=NEW, inputs=inputs)
    inputs["labels"] = NEW
    assert facts_of(marked)["inputs"] == {"labels": OLD}


def test_stated_version_is_believed():
    marked = with_provenance(labels(), data_version=OLD, inputs={})
    assert data_version_of(marked) == OLD
    assert data_versions_of(labels=marked) == {"labels": OLD}


def test_version_is_computed_where_none_is_stated():
    assert data_version_of(labels()) == ""
    assert data_versions_of(labels=labels(), cv_splits=cv_splits()) == {
        "labels": table_digest(labels()),
        "cv_splits": table_digest(cv_splits()),
    }


@pytest.mark.parametrize(
    ("made_from", "inputs"),
    [
        ({}, {}),
        ({"labels": OLD}, {"labels": OLD}),
        ({"labels": OLD, "market_data": OLD}, {"labels": OLD, "features": NEW}),
        ({"labels": OLD}, {}),
        ({}, {"labels": OLD}),
    ],
)
def test_equal_versions_of_what_is_in_both_are_accepted(made_from, inputs):
    require_made_from("cv_splits", made_from, inputs)


def test_other_version_is_refused_with_what_to_do():
    with pytest.raises(StoreError) as caught:
        require_made_from("cv_splits", {"labels": OLD}, {"labels": NEW})
    assert str(caught.value) == (
        "cv_splits was made from labels of version 0123456789ab, but labels is now of version "
        "fedcba987654; materialize cv_splits again"
    )


def test_first_of_several_by_name_is_refused():
    made_from = {"labels": OLD, "features": OLD, "cv_splits": NEW}
    with pytest.raises(StoreError, match="made from features of"):
        require_made_from("fitted_models", made_from, dict.fromkeys(made_from, NEW))


def test_versions_that_differ_after_the_digits_shown_are_told_apart():
    with pytest.raises(StoreError):
        require_made_from("x", {"labels": OLD}, {"labels": OLD[:-1] + "0"})


def test_hand_made_tables_are_told_apart():
    one, other = oof_predictions(), oof_predictions(fold_id=(0, 0, 1))
    with pytest.raises(StoreError, match="made from splits of version"):
        require_made_from("x", data_versions_of(splits=one), data_versions_of(splits=other))
