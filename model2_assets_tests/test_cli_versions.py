from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from model2_assets import load_oof
from model2_assets.cli.main import main
from model2_assets.defs.rollback import inputs_that_moved_on, refuse_while_running
from model2_assets.errors import StoreError
from model2_assets.storage import Store
from model2_assets.storage.rollback import Rollback
from model2_assets_tests.versions.nights import OOF, at, digest, nights_on_disk, publish_night

WHERE = ("--region", "us", "--horizon", "21d", "--model", "ridge")


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=answer)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.delenv("MODEL2_CONFIG", raising=False)
    return Store(str(tmp_path / "data"), keep_versions=3)


def test_versions_are_listed_newest_first_with_scores_and_origin(store: Store) -> None:
    publish_night(store, 0)
    publish_night(store, 1)

    result = run("versions", "--horizon", "21d")

    assert result.exit_code == 0, result.output
    newest, oldest = (line.split() for line in result.output.splitlines() if "+0.2500" in line)
    assert newest[:2] == [digest("oof_predictions", 1)[:12], "current"]
    assert oldest[0] == digest("oof_predictions", 0)[:12]
    assert "current" not in oldest
    assert newest[-3:] == [digest("fitted_models", 1)[:12], "–", "–"]
    assert newest[-5:-3] == ["3", "+0.2500"]


def test_damaged_current_file_is_marked_as_none_and_lost_scores_as_a_dash(store: Store) -> None:
    publish_night(store, 0)
    store.path(OOF).unlink()
    store.path(OOF).write_bytes(b"damaged")
    (scores,) = store.archive.versions(at("cv_scores"))
    store.archive.path(at("cv_scores"), scores).write_bytes(b"damaged")

    result = run("versions")

    assert result.exit_code == 0, result.output
    assert "current" not in result.output
    version = digest("oof_predictions", 0)[:12]
    (row,) = (line for line in result.output.splitlines() if version in line)
    assert row.split()[-4] == "–"


def test_without_versions_the_reason_is_said(store: Store) -> None:
    result = run("versions")

    assert result.exit_code == 2
    assert "they are kept from the next retrain on, unless storage.keep_versions" in result.output


def test_rollback_asks_and_then_says_what_it_did(store: Store) -> None:
    first = publish_night(store, 0)
    publish_night(store, 1)

    refused = run("rollback", *WHERE, first[:6], answer="n\n")
    assert refused.exit_code == 1
    assert set(nights_on_disk(store).values()) == {1}

    done = run("rollback", *WHERE, first[:6], answer="y\n")

    assert done.exit_code == 0, done.output
    assert set(nights_on_disk(store).values()) == {0}
    assert f"current is {digest('oof_predictions', 1)[:12]}; verified" in done.output
    assert f"  fitted_models {digest('fitted_models', 0)[:12]}, first published" in done.output
    assert "us/leaderboard" in done.output
    assert load_oof("us", "21d", "ridge").attrs["provenance"]["data_version"] == first
    with dg.DagsterInstance.get() as instance:
        for asset in nights_on_disk(store):
            wanted = dg.AssetRecordsFilter(
                dg.AssetKey(["us", asset]), asset_partitions=["21d|ridge"]
            )
            (record,) = instance.fetch_materializations(wanted, limit=5).records
            made = record.asset_materialization
            assert made is not None
            assert made.tags["dagster/data_version"] == digest(asset, 0)
            assert made.tags["dagster/partition/model"] == "ridge"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*WHERE, "abcdef"), "us 21d ridge: there is no version abcdef; kept are"),
        ((*WHERE, "abc"), "'abc' is no version; give at least 6 hexadecimal digits"),
        ((*WHERE[:-1], "lasso", "abcdef"), "unknown model 'lasso'; known: ridge, xgboost"),
    ],
)
def test_mistakes_are_named_and_change_nothing(
    store: Store, arguments: tuple[str, ...], message: str
) -> None:
    publish_night(store, 0)
    publish_night(store, 1)

    result = run("rollback", "--yes", *arguments)

    assert result.exit_code == 2
    assert message in result.output
    assert set(nights_on_disk(store).values()) == {1}


def test_nobody_rolls_back_under_a_run(store: Store) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        refuse_while_running(instance)

        @dg.job
        def us_training() -> None:
            """Do nothing."""

        made = instance.create_run_for_job(us_training, status=dg.DagsterRunStatus.STARTED)

        with pytest.raises(
            StoreError, match=f"run {made.run_id[:8]} .us_training. is started; roll"
        ):
            refuse_while_running(instance)


def test_inputs_materialized_anew_since_are_named(store: Store) -> None:
    publish_night(store, 0)
    (models,) = store.archive.versions(at("fitted_models"))
    rollback = Rollback(OOF, {"fitted_models": models}, ())
    assert dict(rollback.made_from) == {"labels": "1"}

    with dg.DagsterInstance.ephemeral() as instance:
        for version, moved in (("1", []), ("2", ["labels"])):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    dg.AssetKey(["us", "labels"]), tags={"dagster/data_version": version}
                )
            )
            assert inputs_that_moved_on(instance, "us", rollback) == moved
