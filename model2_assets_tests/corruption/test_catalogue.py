import re
import shutil
from pathlib import Path

import pytest

from model2_assets.errors import Model2Error
from model2_assets_tests.corruption.catalogue import CASES, Case, Told
from model2_assets_tests.corruption.stored import fill, open_store


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


def pattern(message: str, path: Path) -> str:
    return re.escape(message).replace(r"\{path\}", re.escape(str(path))).replace("…", ".+")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_planted_corruption_is_told_by_name(case: Case, filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "data")
    store = open_store(tmp_path / "data")
    path = case.plant(store)
    if not case.told:
        case.read(store)  # the threat model says why nobody can tell here
        return
    with pytest.raises((Model2Error, Told)) as caught:
        case.read(store)
    assert re.fullmatch(pattern(case.told, path), str(caught.value), re.S), str(caught.value)
    assert not list(path.parent.glob("crater"))


def test_the_same_reads_of_a_sound_store_are_silent(filled: Path) -> None:
    for case in CASES:
        case.read(open_store(filled))


def test_the_catalogue_is_as_large_as_it_is_said_to_be() -> None:
    found = [case for case in CASES if case.told]
    assert (len(found), len(CASES)) == (47, 50)
