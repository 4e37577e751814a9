import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import (
    build_cv_splits,
)
from model2_assets.cross_validation.roles import (
    horizon_columns,
    role_columns,
    split_horizons,
    split_ids,
)
from model2_assets.errors import CrossValidationError
from model2_assets_tests.cross_validation.panels import two_horizons


def made():
    labels = two_horizons(1, 20)
    config = CrossValidationConfig(n_groups=2, purge="per_horizon", embargo_days=0)
    return build_cv_splits(labels.index, labels, config), labels


def test_roles_are_asked_for_by_horizon_where_they_differ_and_by_split_alone_where_not():
    splits, labels = made()
    assert (split_horizons(splits), split_ids(splits)) == (("1d", "3d"), (0, 1))
    own = horizon_columns(splits, "3d")
    assert [column.name for column in own] == ["split_0_3d", "split_1_3d"]
    assert own[1].roles(splits).tolist() == splits["split_1_3d"].tolist()
    with pytest.raises(CrossValidationError, match=r"roles per horizon \(1d, 3d\), none for None"):
        horizon_columns(splits, None)
    with pytest.raises(CrossValidationError, match="none for '5d'"):
        horizon_columns(splits, "5d")
    shared = build_cv_splits(labels.index, labels, CrossValidationConfig(n_groups=2))
    assert split_horizons(shared) == ()
    assert [column.name for column in horizon_columns(shared, "3d")] == ["split_0", "split_1"]
    assert horizon_columns(shared, None) == horizon_columns(shared, "3d")


def test_tables_with_missing_or_mixed_columns_of_roles_are_refused():
    splits, _ = made()
    with pytest.raises(CrossValidationError, match="no column split_1_1d; every horizon needs"):
        role_columns(splits.drop(columns="split_1_1d"))
    mixed = splits.assign(split_0=np.int8(0), split_1=np.int8(0))
    with pytest.raises(CrossValidationError, match="split_0 beside others per horizon"):
        role_columns(mixed)


def test_columns_are_listed_by_horizon_in_days_then_by_split():
    names = [f"split_{split_id}_{key}" for split_id in range(11) for key in ("63d", "5d", "21d")]
    splits = pd.DataFrame(np.zeros((1, 33), dtype=np.int8), columns=names)
    listed = [column.name for column in role_columns(splits)]
    assert listed == [f"split_{i}_{key}" for key in ("5d", "21d", "63d") for i in range(11)]
