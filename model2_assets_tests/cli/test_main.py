import re
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result
from fsspec.registry import _registry as opened_before
from sqlalchemy.exc import OperationalError

from model2_assets import load_oof
from model2_assets.cli.main import _Command, main
from model2_assets.defs.rollback import inputs_that_moved_on, refuse_while_running
from model2_assets.errors import StoreError
from model2_assets.storage import Store, files
from model2_assets.storage.rollback import Rollback
from model2_assets_tests.defs.small_region import SMALL_REGION, quiet_home
from model2_assets_tests.storage.nights import OOF, at, digest, nights_on_disk, publish_night


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=answer)


def config_file(folder: Path, values: Any) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def own_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MODEL2_CONFIG", raising=False)


def test_default_configuration_is_valid() -> None:
    result = run("validate-config", "--no-data")

    assert result.exit_code == 0, result.output
    assert "region us: horizons 21d, 63d; models ridge, xgboost" in result.output


def test_a_configuration_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config_file(tmp_path, {"regions": {"eu": SMALL_REGION}})

    result = run("--config=~/config.yaml", "validate-config", "--no-data")

    assert "region eu" in result.output


def test_validation_reads_the_market_data(tmp_path: Path) -> None:
    path = config_file(tmp_path, {"regions": {"us": SMALL_REGION}})

    result = run("--config", path, "validate-config")

    assert result.exit_code == 0, result.output
    assert "5,520 rows" in result.output
    assert "warning" not in result.output


def test_validation_reads_features_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    extra = [{"path": str(own), "columns": {"pe": "PE"}}]
    values = {"regions": {"us": {**SMALL_REGION, "features": {"extra": extra}}}}
    path = config_file(tmp_path, values)

    own.write_text("instrument,datetime,PE\nS0,2020-06-01,1\n", encoding="utf-8")
    refused = run("--config", path, "validate-config")
    assert refused.exit_code == 2
    assert (
        "error: features.extra.0: 'pe' has no value on any date of the features: its file has S0 "
        "to S0, 2020-06-01 to 2020-06-01, the market data S000 to S011, 2010-01-04 to 2011-10-07; "
        "give both the same names and dates, or raise max_age_days"
    ) in refused.output

    own.write_text("instrument,datetime,PE\nS000,2010-06-01,1\n", encoding="utf-8")
    assert "  own features: pe\n" in run("--config", path, "validate-config").output


def test_validation_names_the_limit_that_fits_a_volatile_market(tmp_path: Path) -> None:
    """Labels whose scale makes the default limit hopeless are valid, with the setting named."""
    market = {"n_instruments": 21, "n_dates": 300, "volatility": 0.06, "days_a_week": 7}
    values = {"regions": {"coins": {"market_data": {"source": "synthetic", "params": market}}}}

    result = run("--config", config_file(tmp_path, values), "validate-config")

    assert result.exit_code == 0, result.output
    (warning,) = (line for line in result.output.splitlines() if "warning" in line)
    named = re.search(
        r"labels of 63d have a standard deviation of [\d,]+ bps, so a calibrated forecaster keeps "
        r"1,000 bps only up to a correlation of 0\.0\d with them, where 0\.10 can be believed: "
        r"set checks\.prediction_bps to (\d+), ",
        warning,
    )
    assert named, warning
    values["checks"] = {"prediction_bps": int(named[1])}
    again = run("--config", config_file(tmp_path, values), "validate-config")
    assert (again.exit_code, "warning" in again.output) == (0, False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regions": {"us": {"labls": {}}}}, "regions.us.labls: unknown key"),
        (
            {"regions": {"us": {"cross_validation": {"n_groups": 3, "n_test_groups": 3}}}},
            "regions.us.cross_validation: n_test_groups (3) must be below n_groups (3)",
        ),
        ({"regions": {"us": {"models": ["lasso"]}}}, "unknown model 'lasso'; known: ridge"),
        (
            {"models": {"ridge": {"trainer": "no_such_package:Trainer"}}},
            "models.ridge.trainer: cannot import module 'no_such_package'",
        ),
        (
            {"models": {"ridge": {"params": {"alhpa": 1}}}},
            "models.ridge.params.alhpa",
        ),
        (
            {"regions": {"us": {"features": {"builder": "math:no_such_function"}}}},
            "regions.us.features.builder: module 'math' has no attribute 'no_such_function'",
        ),
        (
            {
                "regions": {
                    "us": {
                        "market_data": {"source": "synthetic", "params": {"n_dates": 50}},
                        "labels": {"horizons": [63]},
                    }
                }
            },
            "labels.horizons",
        ),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path: Path, values: Any, message: str) -> None:
    result = run("--config", config_file(tmp_path, values), "validate-config")

    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--region", "mars", "unknown region 'mars'; known: us"),
        ("--horizon", "5d", "unknown horizon '5d'; known: 21d, 63d"),
        ("--model", "lasso", "unknown model 'lasso'; known: ridge, xgboost"),
    ],
)
def test_retrain_refuses_unknown_names_before_any_work(
    tmp_path: Path, option: str, value: str, message: str
) -> None:
    result = run("retrain", option, value)

    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "data").exists()


def test_missing_configuration_file_is_named(tmp_path: Path) -> None:
    result = run("--config", str(tmp_path / "nowhere.yaml"), "scores")

    assert result.exit_code == 2
    assert "nowhere.yaml: cannot be read" in result.output


def test_scores_without_results_say_what_to_run() -> None:
    result = run("scores")

    assert result.exit_code == 2
    assert "run: model2 retrain" in result.output


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("local_artifact_storage: {module: dagster, class: {env: NO_SUCH}}", "NO_SUCH"),
        ("storage: {sqlite: {base_dir: {env: NO_SUCH}}}", "NO_SUCH"),
        ("storrage: 1", "storrage"),
        ("storage: [", "line 1, column 11"),
    ],
)
def test_an_instance_that_cannot_be_understood_is_one_sentence(
    settings: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(settings)

    result = run("close-runs")

    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path}/dagster.yaml: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "error: out of memory; give the process more"),
        (OSError(28, "No space left on device"), "error: the system refuses: [Errno 28] No space"),
        (
            OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")),
            "error: Dagster's database cannot be used: disk I/O error; it needs space",
        ),
        (
            OperationalError("SELECT 1", {}, Exception("no server\n\tat port 5432?\n")),
            "error: Dagster's database cannot be used: no server at port 5432?; the server that",
        ),
    ],
)
def test_what_the_system_refuses_a_command_is_one_sentence(error: Exception, text: str) -> None:
    @click.group(cls=_Command)
    def group() -> None: ...

    @group.command()
    def work() -> None:
        raise RuntimeError("in a run") from error

    result = CliRunner().invoke(group, ["work"])
    assert result.exit_code == 1
    assert result.stderr.startswith(text)
    assert result.stderr.count("\n") == 1


def database(home: Path, script: str = "") -> sqlite3.Connection:
    """Return a connection to the database of runs, which another Dagster might have made."""
    (home / "history").mkdir(parents=True)
    connection = sqlite3.connect(
        home / "history" / "runs.db", isolation_level=None, check_same_thread=False
    )
    connection.executescript(script)
    return connection


def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    with closing(database(tmp_path / "home")) as other:
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.3, other.execute, ["COMMIT"])
        release.start()
        result = run("close-runs")
        release.join()
    assert result.exit_code == 0, result.output


def test_a_database_that_stays_locked_is_called_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model2_assets.cli.context.LOCK_SECONDS", 0.2)
    with closing(database(tmp_path / "home")) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = run("close-runs")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: Dagster's database in {tmp_path}/home is locked: another process has held it "
        f"for 0.2 s"
    )
    assert "space" not in result.stderr


@pytest.mark.parametrize("damaged", [b"no database at all" * 100, None])
def test_a_damaged_database_is_named(tmp_path: Path, damaged: bytes | None) -> None:
    with closing(database(tmp_path / "home", "CREATE TABLE runs (id)")):
        pass
    path = tmp_path / "home" / "history" / "runs.db"
    path.write_bytes(damaged or path.read_bytes()[:100] + bytes(8092))

    result = run("close-runs")

    assert result.exit_code == 1
    assert f"database in {tmp_path}/home is damaged (" in result.stderr
    assert f"): {path}; put a copy back, or move" in result.stderr
    assert "dagster.yaml" not in result.stderr


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ("CREATE TABLE runs (id)", "no such column: runs."),
        ("", "Version table 'alembic_version' has more than one head"),
    ],
)
def test_a_database_of_another_dagster_is_not_blamed_on_settings(
    tmp_path: Path, tables: str, reason: str
) -> None:
    versions = "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES "
    versions += "('ffff')" if tables else "('ffff'), ('eeee')"
    database(tmp_path / "home", f"{versions}; {tables}").close()

    result = run("close-runs")

    assert result.exit_code == 1
    assert f"is of another version than this Dagster {version('dagster')}: {reason}" in (
        result.stderr
    )
    assert result.stderr.count("\n") == 1
    assert "dagster.yaml" not in result.stderr


WHERE = ("--region", "us", "--horizon", "21d", "--model", "ridge")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    quiet_home(tmp_path / "home")
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


def test_a_rollback_waits_for_whoever_writes_in_its_region(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a check or a run of another partition never sees it half done."""
    first, waits = publish_night(store, 0), threading.Event()
    publish_night(store, 1)
    monkeypatch.setattr(files, "_holder", lambda _: waits.set() or "another")

    with ThreadPoolExecutor(1) as pool:
        with store.hold("us", partition="63d|xgboost"):
            done = pool.submit(run, "rollback", "--yes", *WHERE, first)
            assert waits.wait(30)
            assert set(nights_on_disk(store).values()) == {1}
        assert done.result(30).exit_code == 0

    assert set(nights_on_disk(store).values()) == {0}


@pytest.mark.end_to_end
def test_of_two_rollbacks_at_once_one_is_on_disk_as_a_whole(store: Store) -> None:
    versions = [publish_night(store, night) for night in range(3)]
    command = [sys.executable, "-m", "model2_assets.cli.main", "rollback", "--yes", *WHERE]

    both = [subprocess.Popen([*command, version]) for version in versions[:2]]

    assert [each.wait(60) for each in both] == [0, 0]
    (night,) = set(nights_on_disk(store).values())
    assert night in {0, 1}


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


def test_a_number_of_dates_is_enough() -> None:
    result = run("propose-splits", "--dates", "1196")

    assert result.exit_code == 0, result.output
    assert "region us: 1,196 labelled dates" in result.output
    assert "us: 36 splits, 8 paths; a model trains on 723 of 1,196 dates" in result.output
    assert result.output.endswith("cross_validation: {n_groups: 9, n_test_groups: 2}\n")
    assert max(map(len, result.output.splitlines())) <= 150


def test_wishes_are_heard() -> None:
    result = run("propose-splits", "--dates", "8000", "--paths", "1", "--train-share", "0.75")

    assert result.output.endswith("cross_validation: {n_groups: 5, n_test_groups: 1}\n")
    assert run("propose-splits", "--train-share", "60").exit_code == 2
    assert run("propose-splits", "--region", "mars").exit_code == 2


def test_dates_and_label_window_are_those_of_the_region(tmp_path: Path) -> None:
    region = {**SMALL_REGION, "labels": {"horizons": [5, 21]}}
    path = config_file(tmp_path, {"regions": {"us": region}})

    result = run("--config", path, "propose-splits")

    # 460 dates, less 60 without features and the last 6, whose labels are not known yet.
    assert "region us: 394 labelled dates" in result.output
    same = run("--config", path, "propose-splits", "--dates", "394")
    assert same.output in result.output


@pytest.mark.parametrize(
    "command",
    [
        *("retrain", "check", "scores", "versions", "validate-config", "propose-splits"),
        *("ui", "prune-runs", "rollback --region us --horizon 21d --model ridge 1"),
    ],
)
def test_every_command_names_the_package_that_a_base_path_needs(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL2_STORAGE", "s3://bucket/results")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(opened_before, "s3", raising=False)

    result = run(*command.split())

    assert result.output.splitlines() == [
        "error: storage s3://bucket/results: cannot be opened (Install s3fs to access S3); install "
        "that Python package, or correct MODEL2_STORAGE"
    ]
    assert result.exit_code == 2
