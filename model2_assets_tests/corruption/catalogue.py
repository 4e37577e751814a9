"""Files whose bytes are whole and whose content is not: one table of what is planted.

Every case changes a store of two nights, reads one result, and says what the reader is told.
``{path}`` in a message is the file that was planted, ``…`` whatever a library says.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model2_assets.storage import Address, Store
from model2_assets.storage.read import load_oof
from model2_assets.storage.record import Attestation, Record
from model2_assets.training.models import load_models
from model2_assets_tests.corruption.bombs import plant
from model2_assets_tests.corruption.damage import replace_file
from model2_assets_tests.corruption.stored import (
    address_of,
    models_of,
    table_of,
    value_of,
)
from model2_assets_tests.sample_tables import sample_table
from model2_assets_tests.storage.records import forge_record

RIDGE = address_of("fitted_models")
XGBOOST = address_of("fitted_models", "xgboost")
NET = address_of("fitted_models", "net")
FINAL = address_of("final_models")
OOF = address_of("oof_predictions")
SCORES = address_of("cv_scores")
SHEET = address_of("tear_sheet")

UNKNOWN = (
    "{path}: is not what was published here: it was changed or cut off since it was written, or "
    "was written by something else or another version; materialize … again"
)
LOST = "what it describes cannot be read"
RECORDED = (
    "{path}: is …, Dagster recorded … when … was last materialized here, so something else "
    "replaced it; materialize … again, unless you replaced it"
)

Plant = Callable[[Store], Path]
Read = Callable[[Store], Any]


@dataclass(frozen=True)
class Case:
    """One corruption.

    Attributes
    ----------
    name : str
        What is planted.
    plant : callable
        Plants it and returns the path of the file.
    read : callable
        Reads the result as a user of it would.
    told : str
        The whole message; empty where nobody who reads this way can find out.
    """

    name: str
    plant: Plant
    read: Read
    told: str


def entry(store: Store, address: Address) -> Path:
    return Path(str(store.entry_file(address)))


def edited(address: Address, *, record: bool = False, **changes: Any) -> Plant:
    """Change keys of a manifest, None removing one; with `record` by who writes that as well."""

    def plant_it(store: Store) -> Path:
        values = {**json.loads(entry(store, address).read_bytes()), **changes}
        values = {key: value for key, value in values.items() if value is not None}
        return written(address, json.dumps(values).encode(), record=record)(store)

    return plant_it


def edited_fold(*, record: bool = True, **changes: Any) -> Plant:
    def plant_it(store: Store) -> Path:
        folds = json.loads(entry(store, RIDGE).read_bytes())["folds"]
        return edited(RIDGE, record=record, folds=[{**folds[0], **changes}, *folds[1:]])(store)

    return plant_it


def written(address: Address, data: bytes, *, record: bool = False) -> Plant:
    """Put other bytes in the place of a result, with `record` as one that belongs there."""

    def plant_it(store: Store) -> Path:
        replace_file(entry(store, address), data)
        if record:
            forge_record(store, address, data)
        return entry(store, address)

    return plant_it


def copied(source: Address, target: Address, *, night: int = 1) -> Plant:
    """Store what belongs to one address, and put its file, or folder, in the place of another."""

    def plant_it(store: Store) -> Path:
        store.write(source, value_of(source, night))
        origin, path = entry(store, source), entry(store, target)
        if source.product.format == "fold_models":
            for file in origin.parent.iterdir():
                (path.parent / file.name).write_bytes(file.read_bytes())
        replace_file(path, origin.read_bytes())
        return path

    return plant_it


def model_files(store: Store, address: Address) -> list[Path]:
    folder = entry(store, address).parent
    return [folder / fold.file for fold in store.open_models(address).manifest.folds]


def swapped_folds(store: Store) -> Path:
    first, second = model_files(store, RIDGE)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    return first


def swapped_names(store: Store) -> Path:
    folds = json.loads(entry(store, RIDGE).read_bytes())["folds"]
    one, two = ({**folds[i], "split_id": 1 - i} for i in (0, 1))
    return edited(RIDGE, record=True, folds=[two, one])(store)


def model_of_the_night_before(store: Store) -> Path:
    (before, now) = model_files_by_night(store)
    now.write_bytes(before.read_bytes())
    return now


def model_files_by_night(store: Store) -> tuple[Path, Path]:
    now = model_files(store, RIDGE)[0]
    (before,) = (path for path in now.parent.glob("fold_0-*") if path != now)
    return before, now


def missing_model(store: Store) -> Path:
    path = model_files(store, RIDGE)[1]
    path.unlink()
    return path


def night_before(address: Address) -> Plant:
    """Put back what was current the night before, whole and fitting."""

    def plant_it(store: Store) -> Path:
        version = store.archive.versions(address)[1]
        replace_file(entry(store, address), store.archive.read(address, version))
        return entry(store, address)

    return plant_it


def bombed(store: Store) -> Path:
    path = entry(store, NET)
    plant(path, path.parent, path.with_name("crater"))
    forge_record(store, NET, path.read_bytes())
    return path


def other_value_same_version(store: Store) -> Path:
    """Change a value and write the table with the data version that it had."""
    frame = store.read(OOF)
    attrs = frame.attrs
    frame.iloc[0, 0] += 0.5
    frame.attrs = attrs
    store.write(OOF, frame)
    return entry(store, OOF)


def by_others(store: Store) -> Path:
    """Put a table there that another program has written."""
    path = entry(store, OOF)
    path.unlink()
    sample_table("OOFPredictions").to_parquet(path)
    return path


def consistent_table(store: Store) -> Path:
    """Write another table with everything that belongs to it, as a retrain would."""
    store.write(OOF, table_of("oof_predictions", night=9))
    return entry(store, OOF)


def consistent_models(store: Store) -> Path:
    store.write(RIDGE, models_of("fitted_models", "ridge", night=9))
    return entry(store, RIDGE)


def without_a_line(store: Store) -> Path:
    lines = entry(store, SCORES).read_bytes().splitlines(keepends=True)
    return written(SCORES, b"".join([*lines[:1], *lines[2:]]))(store)


def replaced(address: Address, old: bytes, new: bytes) -> Plant:
    def plant_it(store: Store) -> Path:
        data = entry(store, address).read_bytes()
        assert old in data
        return written(address, data.replace(old, new, 1))(store)

    return plant_it


def record_edited(*, record: bool = True, **changes: Any) -> Plant:
    """Change keys of the record of the current predictions' version."""

    def plant_it(store: Store) -> Path:
        version = store.archive.versions(OOF)[0]
        path = Path(str(store.archive.folder(OOF) / version.file_name))
        values = {**json.loads(path.read_bytes()), **changes}
        if record:
            del values["checksum"]
            values = json.loads(Record.model_validate(values).to_json())
        replace_file(path, json.dumps(values).encode())
        return path

    return plant_it


def record_of_another(store: Store) -> Path:
    """Put the record of a file of another address in the place of one of this."""
    other = store.archive.versions(address_of("oof_paths"))[0]
    source = store.archive.folder(address_of("oof_paths")) / other.file_name
    path = Path(str(store.archive.folder(OOF) / other.file_name))
    path.write_bytes(source.read_bytes())
    replace_file(entry(store, OOF), store.archive.read(address_of("oof_paths"), other))
    return path


def kept_files_swapped(store: Store) -> Path:
    one, two = (
        Path(str(store.archive.path(OOF, kept))) for kept in store.archive.versions(OOF)[:2]
    )
    data = one.read_bytes()
    replace_file(one, two.read_bytes())
    replace_file(two, data)
    return two


def matrix_value(store: Store) -> Path:
    folder = store.working_files("us").folder
    assert folder is not None
    (path,) = (folder / "matrix").glob("*.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x01
    path.write_bytes(data)
    return entry(store, Address("us", "features"))


def load(address: Address) -> Read:
    def read(store: Store) -> Any:
        value = store.load(address)
        return list(load_models(value)) if address.product.format == "fold_models" else value

    return read


def attested(address: Address, *, night: int = 1) -> Read:
    """Read as Dagster does: with a record of what it published that night."""

    def read(store: Store) -> Any:
        clean = store.attested_by(records(store, night).get)
        value = clean.load(address)
        told = clean.difference_from_record(address, value)
        if address.product.format == "fold_models":
            list(load_models(value))
        if told is not None:
            raise Told(told)
        return value

    return read


class Told(Exception):  # noqa: N818 -- a warning, or a failed check
    """What a reader is warned of."""


def records(store: Store, night: int) -> Mapping[Address, Attestation]:
    """Return what Dagster recorded on a night."""
    kept = {
        address: store.archive.versions(address) for address in (RIDGE, XGBOOST, NET, OOF, SCORES)
    }
    by_age = {a: sorted(v, key=lambda version: version.first_published) for a, v in kept.items()}
    return {
        address: Attestation(
            data_version=versions[night].data_version,
            manifest_sha256=versions[night].sha256
            if address.product.format == "fold_models"
            else "",
        )
        for address, versions in by_age.items()
    }


def oof(store: Store) -> Any:
    return load_oof("us", "21d", "ridge", store=store)


def oldest_oof(store: Store) -> Any:
    oldest = store.archive.versions(OOF)[1]
    return load_oof("us", "21d", "ridge", version=oldest.data_version[:12], store=store)


def newest_oof(store: Store) -> Any:
    newest = store.archive.versions(OOF)[0]
    return load_oof("us", "21d", "ridge", version=newest.data_version[:12], store=store)


def versions(store: Store) -> Any:

    for path in store.archive.folder(OOF).glob("*.json"):
        Record.from_json(path.read_bytes(), origin=str(path))


def verify_features(store: Store) -> None:
    store.verify(Address("us", "features"))


NOT_OURS = (
    "{path}: names the trainer 'os:system', which the configuration does not, so it is not "
    "imported; put it under models, in a notebook give it as trainers=[...], or retrain the model"
)
FOLD_FILE = (
    "{path}: folds.0.file: String should match pattern "
    "'^(fold_\\d+|final)-[0-9a-f]{12}\\.[A-Za-z0-9.]+$'; retrain the model"
)
CARRIES = (
    "{path}: manifest: Value error, file … does not carry its split and hash; retrain the model"
)
NO_PICKLE = (
    "{path}: has sha256 …, Dagster recorded … when it was last materialized here, so no pickle is "
    "read; materialize fitted_models again"
)
STATES = (
    "{{path}}: states data version {}, but its values have …; materialize oof_predictions again, "
    "or roll back to a kept version"
)
DAMAGED = "{path}: is damaged: sha256 …, the manifest says …; retrain the model"
BELONGS = "{{path}}: belongs to {} and was put in another's place; materialize the asset again"

CASES = (
    Case(
        "manifest: a parameter edited", edited(RIDGE, params={"alpha": 1.0}), load(RIDGE), UNKNOWN
    ),
    Case(
        "manifest: features in another order",
        edited(RIDGE, feature_names=["b", "a"]),
        load(RIDGE),
        UNKNOWN,
    ),
    Case("manifest: another seed", edited(RIDGE, seed=8), load(RIDGE), UNKNOWN),
    Case(
        "manifest: other input versions",
        edited(RIDGE, data_versions={"labels": "2"}),
        load(RIDGE),
        UNKNOWN,
    ),
    Case(
        "manifest: another digest of a model",
        edited_fold(record=False, digest="0" * 64),
        load(RIDGE),
        UNKNOWN,
    ),
    Case("manifest: another hash of a model", edited_fold(sha256="0" * 64), load(RIDGE), CARRIES),
    Case(
        "manifest: a key added",
        edited(RIDGE, record=True, note="mine"),
        load(RIDGE),
        "{path}: note: Unexpected keyword argument; retrain the model",
    ),
    Case(
        "manifest: a key removed",
        edited(RIDGE, record=True, seed=None),
        load(RIDGE),
        "{path}: seed: Field required; retrain the model",
    ),
    Case(
        "manifest: of another format",
        edited(RIDGE, record=True, format_version=1),
        load(RIDGE),
        "{path}: format version 1, expected 4: made by another version; retrain the model",
    ),
    Case(
        "manifest: names a file outside",
        edited_fold(file="../../../secret.npz"),
        load(RIDGE),
        FOLD_FILE,
    ),
    Case(
        "manifest: names an absolute path", edited_fold(file="/etc/passwd"), load(RIDGE), FOLD_FILE
    ),
    Case("manifest: names two models for each other", swapped_names, load(RIDGE), CARRIES),
    Case(
        "manifest: nested without end",
        written(RIDGE, b"[" * 100_000, record=True),
        load(RIDGE),
        "{path}: not valid JSON (…); retrain the model",
    ),
    Case(
        "manifest: not JSON",
        written(RIDGE, b"PK\x03\x04", record=True),
        load(RIDGE),
        "{path}: not valid JSON (…); retrain the model",
    ),
    Case(
        "manifest: names another class to import, its checksum made anew",
        edited(RIDGE, record=True, trainer="os:system"),
        load(RIDGE),
        NOT_OURS,
    ),
    Case(
        "manifest: of another horizon",
        copied(replace(RIDGE, horizon="21d", region="eu"), RIDGE),
        load(RIDGE),
        BELONGS.format("eu/fitted_models/21d/ridge"),
    ),
    Case(
        "manifest: of another model",
        copied(XGBOOST, RIDGE),
        load(RIDGE),
        BELONGS.format("us/fitted_models/21d/xgboost"),
    ),
    Case(
        "manifest: of a final model in the place of fold models",
        copied(FINAL, RIDGE),
        load(RIDGE),
        BELONGS.format("us/final_models/21d/ridge"),
    ),
    Case(
        "manifest: of fold models in the place of a final model",
        copied(RIDGE, FINAL),
        load(FINAL),
        BELONGS.format("us/fitted_models/21d/ridge"),
    ),
    Case("models: fold 0 and fold 1 swapped", swapped_folds, load(RIDGE), DAMAGED),
    Case(
        "models: that of the night before under the new name",
        model_of_the_night_before,
        load(RIDGE),
        DAMAGED,
    ),
    Case(
        "models: one missing", missing_model, load(RIDGE), "{path}: is missing; retrain the model"
    ),
    Case(
        "models: pickles and manifest replaced so that they fit, read through Dagster",
        bombed,
        attested(NET),
        NO_PICKLE,
    ),
    Case(
        "models: those of the night before with their manifest, read through Dagster",
        night_before(RIDGE),
        attested(RIDGE),
        RECORDED,
    ),
    Case(
        "models: pickles of the night before with their manifest, read through Dagster",
        night_before(NET),
        attested(NET),
        NO_PICKLE,
    ),
    Case(
        "models: XGBoost's replaced with their manifest, read through Dagster",
        night_before(XGBOOST),
        attested(XGBOOST),
        RECORDED,
    ),
    Case(
        "table: of another horizon",
        copied(replace(OOF, horizon="63d"), OOF),
        load(OOF),
        BELONGS.format("us/oof_predictions/63d/ridge.parquet"),
    ),
    Case(
        "table: of another model",
        copied(replace(OOF, model="xgboost"), OOF),
        load(OOF),
        BELONGS.format("us/oof_predictions/21d/xgboost.parquet"),
    ),
    Case(
        "table: of another region",
        copied(replace(OOF, region="eu"), OOF),
        load(OOF),
        BELONGS.format("eu/oof_predictions/21d/ridge.parquet"),
    ),
    Case(
        "table: of another asset",
        copied(address_of("oof_paths"), OOF),
        load(OOF),
        BELONGS.format("us/oof_paths/21d/ridge.parquet"),
    ),
    Case(
        "table: features of another region, though the matrix is there",
        copied(Address("eu", "features"), Address("us", "features")),
        load(Address("us", "features")),
        BELONGS.format("eu/features.parquet"),
    ),
    Case(
        "table: a value changed and the old data version stated",
        other_value_same_version,
        oof,
        STATES.format("…"),
    ),
    Case("table: written by another program", by_others, oof, UNKNOWN),
    Case(
        "table: that of the night before, read through Dagster",
        night_before(OOF),
        attested(OOF),
        RECORDED,
    ),
    Case(
        "table: another in every respect, read through Dagster",
        consistent_table,
        attested(OOF),
        RECORDED,
    ),
    Case(
        "table: not Parquet",
        written(OOF, b"instrument,datetime\n"),
        load(OOF),
        UNKNOWN,
    ),
    Case("scores: a line removed", without_a_line, load(SCORES), UNKNOWN),
    Case(
        "scores: a digit changed",
        replaced(SCORES, b'"value": 0.125', b'"value": 0.175'),
        load(SCORES),
        UNKNOWN,
    ),
    Case(
        "scores: of another horizon",
        copied(replace(SCORES, horizon="63d"), SCORES, night=9),
        load(SCORES),
        BELONGS.format("us/cv_scores/63d/ridge.jsonl"),
    ),
    Case(
        "scores: those of the night before, read through Dagster",
        night_before(SCORES),
        attested(SCORES),
        RECORDED,
    ),
    Case("report: edited", replaced(SHEET, b"night 1", b"night 9"), load(SHEET), UNKNOWN),
    Case(
        "report: of another model",
        copied(replace(SHEET, model="xgboost"), SHEET, night=9),
        load(SHEET),
        BELONGS.format("us/tear_sheet/21d/xgboost/report.html"),
    ),
    Case(
        "kept version: two files swapped",
        kept_files_swapped,
        oldest_oof,
        "{path}: is damaged, its sha256 is not the one that its record states; version … is lost",
    ),
    Case(
        "kept version: a record edited",
        record_edited(record=False, published="2020-01-01T00:00:00Z"),
        versions,
        f"{{path}}: does not fit its checksum, so it was changed since it was written; {LOST}",
    ),
    Case(
        "record: of another address, with its file",
        record_of_another,
        load(OOF),
        "{path}: is the record of us/oof_paths/21d/ridge.parquet, put in another's place",
    ),
    Case(
        "kept version: a record of another data version",
        record_edited(data_version="a" * 32),
        newest_oof,
        "…: states data version …, its record …, but its values have …; materialize "
        "oof_predictions again, or roll back to a kept version",
    ),
    Case(
        "working matrix: a value changed, read by model2 check",
        matrix_value,
        verify_features,
        "{path}: the working matrix under … has other values than the file; remove that folder, "
        "or materialize the asset again",
    ),
    Case(
        "working matrix: a value changed, read by a step",
        matrix_value,
        load(Address("us", "features")),
        "",
    ),
    Case("table: another in every respect, read in a notebook", consistent_table, oof, ""),
    Case(
        "models: Ridge's replaced with their manifest, read in a notebook",
        consistent_models,
        load(RIDGE),
        "",
    ),
)
