import pytest

from model2_assets.features import alpha158_features
from model2_assets.features import kernels as _kernels
from model2_assets.features.catalogue import missing_columns
from model2_assets_tests.features.sample_panels import random_panel, raw_features

OHLCV = {"open", "high", "low", "close", "volume"}


def names_available(columns):
    return [spec.name for spec in alpha158_features() if set(spec.columns) <= set(columns)]


def test_names_are_qlibs_in_qlibs_order():
    bars = [
        *("KMID", "KLEN", "KMID2", "KUP", "KUP2", "KLOW", "KLOW2", "KSFT", "KSFT2"),
        *("OPEN0", "HIGH0", "LOW0", "VWAP0"),
    ]
    rolling = [
        *("ROC", "MA", "STD", "BETA", "RSQR", "RESI", "MAX", "MIN", "QTLU", "QTLD", "RANK", "RSV"),
        *("IMAX", "IMIN", "IMXD", "CORR", "CORD", "CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD"),
        *("VMA", "VSTD", "WVMA", "VSUMP", "VSUMN", "VSUMD"),
    ]
    expected = bars + [f"{name}{d}" for name in rolling for d in (5, 10, 20, 30, 60)]
    assert [spec.name for spec in alpha158_features()] == expected


def test_kernel_writes_each_feature_where_the_catalogue_lists_it():
    for position, spec in enumerate(alpha158_features()):
        name = spec.name.removesuffix(str(spec.window)) if spec.window else spec.name
        offset = _kernels.WINDOWS.index(spec.window) if spec.window else 0
        assert getattr(_kernels, name) + offset == position


@pytest.mark.parametrize(
    ("columns", "count"),
    [
        (OHLCV | {"vwap"}, 158),
        (OHLCV, 157),
        ({"close"}, 75),
        ({"close", "volume"}, 115),
        (set(), 0),
    ],
)
def test_number_of_features_that_columns_suffice_for(columns, count):
    assert len(names_available(columns)) == count
    assert len(missing_columns(columns)) == 158 - count


@pytest.mark.parametrize(
    "columns",
    [
        ["open", "high", "low", "close", "volume", "vwap"],
        ["open", "high", "low", "close", "volume"],
        ["high", "close"],
        ["close", "volume"],
        ["close"],
    ],
)
def test_built_columns_are_those_that_the_catalogue_promises(columns):
    panel = random_panel(2, 70)
    features = raw_features(panel[columns], min_history_bars=60)
    assert list(features.columns) == names_available(columns)
    assert features.notna().all(axis=None)
    full = raw_features(panel, min_history_bars=60)
    assert features.equals(full[features.columns])


def test_descriptions_are_one_line_and_free_of_placeholders():
    for spec in alpha158_features():
        assert spec.description
        assert not set("{}\n") & set(spec.description)
        assert len(set(spec.columns)) == len(spec.columns) > 0
