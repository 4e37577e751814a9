from datetime import UTC, datetime

import pytest

from model2_assets.errors import StoreError
from model2_assets.storage.archive import find_version
from model2_assets.storage.record import Record


def version(data_version: str, day: int, models: str = "") -> Record:
    time = datetime(2026, 3, day, 6, 30, tzinfo=UTC)
    return Record(
        address="us/oof_predictions/21d/ridge.parquet",
        files={},
        settings="",
        kept=True,
        data_version=data_version,
        inputs={"fitted_models": models},
        rows=1,
        sha256=f"{day:064x}",
        size=1,
        first_published=time,
        published=time,
    )


KEPT = [
    version("abcdef0123456789", 4),
    version("abcdef9999999999", 3),
    version("0000001111111111", 2, "new"),
    version("0000001111111111", 1, "old"),
]


@pytest.mark.parametrize(
    ("prefix", "position"),
    [("abcdef0", 0), ("ABCDEF99", 1), (" abcdef0123456789 ", 0), ("000000", 2)],
)
def test_prefix_names_a_version_and_the_newest_of_equal_values(prefix: str, position: int) -> None:
    assert find_version(KEPT, prefix, what="us 21d ridge") is KEPT[position]


@pytest.mark.parametrize("prefix", ["", "abcde", "latest", "abcdeg", "../../x"])
def test_what_is_no_version_is_refused(prefix: str) -> None:
    with pytest.raises(StoreError, match="is no version; give at least 6 hexadecimal digits"):
        find_version(KEPT, prefix, what="us 21d ridge")


def test_ambiguous_prefix_names_those_that_it_fits() -> None:
    with pytest.raises(StoreError) as caught:
        find_version(KEPT, "abcdef", what="us 21d ridge")
    assert str(caught.value) == (
        "us 21d ridge: abcdef fits abcdef012345 (2026-03-04 06:30), abcdef999999 "
        "(2026-03-03 06:30); give more digits of the one that is meant"
    )


def test_unknown_version_names_those_that_are_kept() -> None:
    with pytest.raises(StoreError) as caught:
        find_version(KEPT[:1], "fedcba", what="us 21d ridge")
    assert str(caught.value) == (
        "us 21d ridge: there is no version fedcba; kept are abcdef012345 (2026-03-04 06:30)"
    )
    with pytest.raises(StoreError, match="there is no version fedcba; none is kept"):
        find_version([], "fedcba", what="us 21d ridge")
