"""Kills, a system that refuses, and two at once, with real processes on a real instance."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from model2_assets.storage import Address
from model2_assets_tests.faults.campaign import Campaign
from model2_assets_tests.faults.children import start
from model2_assets_tests.faults.limits import (
    fill,
    little_memory,
    little_memory_from_here,
    read_only,
    small_disk,
)
from model2_assets_tests.faults.results import Results, read_result, temporary_files, whole
from model2_assets_tests.faults.runs import slots_taken, unfinished_runs
from model2_assets_tests.faults.scene import NEW, OLD, Scene
from model2_assets_tests.faults.table import kills_table
from model2_assets_tests.faults.two_at_once import at_once

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = Campaign(tmp_path_factory.mktemp("faults") / "x", partitions=("21d|xgboost",))
    campaign.prepare()
    return campaign


@pytest.fixture
def scene(campaign: Campaign, tmp_path: Path) -> Scene:
    return campaign.old_results(tmp_path / "scene")


@pytest.fixture
def small(scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """Yield a scene whose results are on a disk of their own."""
    kept = tmp_path / "kept"
    scene.data.rename(kept)
    try:
        with small_disk(scene.data, megabytes=30) as disk:
            shutil.copytree(kept, disk, dirs_exist_ok=True)
            yield scene
    except PermissionError as error:
        pytest.skip(str(error))


def said(scene: Scene) -> list[str]:
    """Return the lines that a command ended with, and forget them."""
    text = scene.log.read_text()
    scene.log.unlink()
    assert "Traceback" not in text
    return text.splitlines()


def states(campaign: Campaign, scene: Scene) -> set[str]:
    state, faults = whole(scene, campaign.old, campaign.new)
    assert not faults
    return set(state.values())


def identities(results: Results) -> dict[Address, str]:
    return {address: result.identity for address, result in results.items()}


def test_kills_leave_whole_results_and_the_next_retrain_mends_the_rest(campaign: Campaign) -> None:
    kills = list(campaign.run(10, seed=3, recover_every=5))
    assert [kill.faults for kill in kills if kill.faults] == []
    assert sum(kill.status < 0 for kill in kills) >= 8, kills_table(kills)
    assert len({kill.spot.asset for kill in kills}) >= 5, kills_table(kills)


def test_a_half_file_and_a_lost_version_are_seen(campaign: Campaign, scene: Scene) -> None:
    labels = scene.data / "us" / "labels.parquet"
    labels.write_bytes(labels.read_bytes()[:-100])
    (scene.data / "us" / "labels.parquet.partial").touch()
    kept = next((scene.data / ".versions" / "us" / "leaderboard").glob("*.parquet"))
    kept.write_bytes(b"")  # one file with the leaderboard, under another name
    _, faults = whole(scene, campaign.old, campaign.new)
    assert [text for text in faults if "labels.parquet" in text and "partial" not in text]
    assert [text for text in faults if "labels.parquet.partial: belongs to no result" in text]
    assert [text for text in faults if "leaderboard" in text and "damaged" in text]


def test_a_full_disk_keeps_the_old_results_and_names_itself(
    campaign: Campaign, small: Scene
) -> None:
    filler = fill(small.data, leaving=200_000)
    assert start(small, NEW, "retrain").wait() == 1
    failed = [line for line in said(small) if line.startswith("FAILED")]
    assert len(failed) == 1
    assert "features.parquet: cannot be written (No space left on device); free some" in failed[0]
    filler.unlink()
    assert "old" in states(campaign, small)
    assert start(small, NEW, "retrain").wait() == 0
    assert states(campaign, small) == {"new"}
    assert temporary_files(small) == []


def test_a_read_only_base_path_is_refused_at_once_and_can_be_checked(
    campaign: Campaign, small: Scene
) -> None:
    with read_only(small.data):
        assert start(small, NEW, "retrain").wait() == 2
        assert "cannot be written (Read-only file system); make the base" in said(small)[-1]
        assert start(small, OLD, "check").wait() == 0
    assert states(campaign, small) == {"old"}


def test_a_narrow_address_space_is_refused_at_once(campaign: Campaign, scene: Scene) -> None:
    assert start(scene, NEW, "retrain", before=little_memory).wait() == 2
    assert "address space of this process is limited to" in said(scene)[-1]
    assert states(campaign, scene) == {"old"}


def test_a_process_without_memory_says_so(campaign: Campaign, scene: Scene) -> None:
    status = start(scene, NEW, "retrain", before=little_memory_from_here).wait()
    last_words = "\n".join(said(scene)[-2:])
    # Where a thread of C or C++ has no memory, a library ends the process, with its own words.
    assert status != 0
    assert "memory" in last_words.lower() or "std::bad_alloc" in last_words
    states(campaign, scene)


def test_of_two_retrains_with_other_settings_one_waits(campaign: Campaign, scene: Scene) -> None:
    pair = at_once(scene, (OLD, "retrain"), (NEW, "retrain"))
    assert pair.statuses == (0, 0)
    assert pair.waited
    found = {address: read_result(scene.store, address).identity for address in campaign.new}
    assert found in (identities(campaign.old), identities(campaign.new))  # whichever came last
    assert (unfinished_runs(scene), slots_taken(scene)) == (0, 0)
