"""A store, or a database of Dagster, that another installation wrote."""

import json
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

from click.testing import CliRunner
from upath import UPath

from model2_assets.cli.main import main
from model2_assets.errors import Model2Error
from model2_assets.market_data import validate_panel
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import with_provenance
from model2_assets.storage.files import TEMPORARY_PREFIX
from model2_assets.storage.models import open_fold_models
from model2_assets.training import cross_validate, load_model
from model2_assets.training.data import hash_row_order
from model2_assets_tests.bad_inputs.bars import market
from model2_assets_tests.bad_inputs.case import Case, Handled, Refused
from model2_assets_tests.sample_models import sample_provenance, save_fold_models
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.trainers import PlainTrainer

_TRAINER = "model2_assets_tests.training.trainers:PlainTrainer"
_MODELS = "data/us/fitted_models/21d/plain"


def _store_models_of_another_scikit_learn(folder: Path) -> None:
    data = make_data(n_dates=30)
    models = cross_validate(lambda: PlainTrainer(params={}, seed=0), data)
    provenance = sample_provenance(
        model="plain",
        trainer=_TRAINER,
        feature_names=data.feature_names,
        row_order_hash=hash_row_order(data.index),
    )
    save_fold_models(UPath(folder / _MODELS), models, provenance=provenance)
    manifest = folder / _MODELS / "manifest.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["library_versions"]["scikit-learn"] = "0.1.2"
    manifest.write_text(json.dumps(values), encoding="utf-8")


def _load_models(folder: Path) -> dict[str, int]:
    load_model(open_fold_models(UPath(folder / _MODELS), trainers=[_TRAINER]), 0)
    return {}


def _leave_a_lock(folder: Path) -> None:
    """Leave what a killed process leaves: a signed lock file, and half a file."""
    for name in (".locks/us.lock", f"us/{TEMPORARY_PREFIX}0/labels.parquet"):
        path = folder / "data" / name
        path.parent.mkdir(parents=True)
        path.write_text("process 1 on another, which works on it since 2024", encoding="utf-8")


def _take_over(folder: Path) -> dict[str, int]:
    results = folder / "data" / "us"
    before = len(list(results.iterdir()))
    with Store(str(folder / "data")).hold("us"):
        return {"leftovers_removed": before - len(list(results.iterdir()))}


def _publish(folder: Path) -> None:
    panel, _ = validate_panel(market())
    table = with_provenance(panel, data_version="0" * 64, inputs={}, source="before")
    Store(str(folder / "data")).write(Address("us", "market_data"), table)


def _publish_with_little_room(folder: Path) -> dict[str, int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        _publish(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return {}


def _leave_a_database_of_another_dagster(folder: Path) -> None:
    (folder / "home/history").mkdir(parents=True)
    with closing(sqlite3.connect(folder / "home/history/runs.db")) as database:
        database.executescript(
            "CREATE TABLE alembic_version (version_num); "
            "INSERT INTO alembic_version VALUES ('ffff'), ('eeee')"
        )


def _close_runs(folder: Path) -> dict[str, int]:
    home = {"DAGSTER_HOME": str(folder / "home")}
    result = CliRunner().invoke(main, ["close-runs"], env=home)
    if result.exit_code:
        raise Model2Error(result.stderr.removeprefix("error: ").strip())
    return {}


_RESULTS_ARE_WHOLE = (
    ", then run again: results on disk are whole, and the next retrain closes what this one left "
    "open"
)

CASES = (
    Case(
        id="store-damaged-database",
        planted="a database of Dagster's runs that is none",
        enters="store",
        config="",
        files={"home/history/runs.db": "no database" * 100},
        act=_close_runs,
        outcome=Refused(
            "Dagster's database in {folder}/home is damaged (file is not a database): "
            "{folder}/home/history/runs.db; put a copy back, or move the folders history and "
            f"schedules away, and Dagster begins without the runs so far{_RESULTS_ARE_WHOLE}"
        ),
        until="config",
    ),
    Case(
        id="store-database-of-another-dagster",
        planted="a database of Dagster's runs with two revisions of another version",
        enters="store",
        config="",
        prepare=_leave_a_database_of_another_dagster,
        act=_close_runs,
        outcome=Refused(
            "Dagster's database is of another version than this Dagster {installed}: Version "
            "table 'alembic_version' has more than one head present; please use "
            "get_current_heads(); install the version that wrote it or, if that was an older one, "
            f"run dagster instance migrate{_RESULTS_ARE_WHOLE}"
        ),
        until="config",
    ),
    Case(
        id="store-other-library-version",
        planted="pickled models of scikit-learn 0.1.2",
        enters="store",
        config="",
        prepare=_store_models_of_another_scikit_learn,
        act=_load_models,
        outcome=Refused(
            f"{{folder}}/{_MODELS}/fold_0-{{hash}}.plain.joblib: was written by scikit-learn "
            "0.1.2, "
            "and {installed} is installed; pickles hold between equal versions only: retrain the "
            "model, or install scikit-learn==0.1.2"
        ),
        until="config",
    ),
    Case(
        id="store-stale-lock",
        planted="the lock file and half a file of a process that was killed",
        enters="store",
        config="",
        prepare=_leave_a_lock,
        act=_take_over,
        outcome=Handled({"leftovers_removed": 1}),
        until="config",
    ),
    Case(
        id="store-no-room",
        planted="a disk that takes no more than 20,000 bytes a file",
        enters="store",
        config="",
        prepare=_publish,
        act=_publish_with_little_room,
        outcome=Refused(
            "{folder}/data/us/market_data.parquet: cannot be written (File too large); raise the "
            "limit on the size of files (ulimit -f), then run again: the last good result stays"
        ),
        until="config",
    ),
)
