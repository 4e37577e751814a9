"""What is on disk after a kill: whole old results, whole new ones, or faults."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model2_assets.errors import Model2Error
from model2_assets.storage import LOCKS, PRODUCTS, WORKING, Address, Store
from model2_assets.storage.archive import VERSIONS
from model2_assets.storage.data_version import facts_of, table_digest
from model2_assets.storage.files import TEMPORARY_PREFIX
from model2_assets.storage.record import Record, document_digest
from model2_assets_tests.faults.scene import PARTITIONS, REGION, Scene
from model2_assets_tests.sample_tables import SHARED

MEASURED = ("fitted_models", "final_models", "leaderboard", "region_report")
"""Assets whose files state times and memory, so no two runs make the same bytes."""

_OWN_TO_A_RUN = ["seconds", "peak_rss_bytes", "trained_at", "rank_ic_change"]
"""Columns of the leaderboard that hang on the run, and on the leaderboard before."""

_RECORD = re.compile(r"[0-9a-f]{64}\.json")


@dataclass(frozen=True)
class Found:
    """One result: the hash of its bytes, and a digest of what it says, without measured times."""

    sha256: str
    identity: str


def addresses() -> list[Address]:
    """Return every result that the region may have, but nested predictions."""
    found = [Address(REGION, asset) for asset in SHARED]
    own = [name for name in PRODUCTS if name not in (*SHARED, "nested_oof")]
    for key in PARTITIONS:
        horizon, model = key.split("|")
        found += [Address(REGION, asset, horizon, model) for asset in own]
    return found


Results = Mapping[Address, Found]


def results_of(scene: Scene) -> dict[Address, Found]:
    """Read every result that is there with the product's own reader.

    Raises
    ------
    Model2Error
        If one is damaged or breaks its contract.
    """
    store = scene.store
    return {
        address: read_result(store, address) for address in addresses() if store.exists(address)
    }


def read_result(store: Store, address: Address) -> Found:
    store.verify(address)
    data = store.entry_file(address).read_bytes()
    return Found(hashlib.sha256(data).hexdigest(), _identity(store, address, data))


def _identity(store: Store, address: Address, data: bytes) -> str:
    if address.product.format == "fold_models":
        manifest = store.open_models(address).manifest
        return document_digest([manifest.data_version, dict(manifest.data_versions)])
    if address.product.format == "html":
        # Times and memory stand in the region's report; all else is made from tables.
        return "report" if address.asset == "region_report" else hashlib.sha256(data).hexdigest()
    frame = store.read(address)
    if address.asset == "leaderboard":
        return table_digest(frame.drop(columns=_OWN_TO_A_RUN))
    return document_digest([table_digest(frame), facts_of(frame).get("inputs", {})])


def whole(scene: Scene, old: Results, new: Results) -> tuple[dict[Address, str], list[str]]:
    """Tell of every result whether it is the old or the new one.

    Returns
    -------
    dict of Address to {"old", "new"}
        By result.
    list of str
        What is neither.
    """
    store, state, faults = scene.store, {}, []
    for address in new:
        try:
            found = read_result(store, address)
        except Model2Error as error:
            faults.append(f"{address}: {error}")
            continue
        if address in old and found.sha256 == old[address].sha256:
            state[address] = "old"
        elif found.identity == new[address].identity:
            state[address] = "new"
        else:
            faults.append(f"{address}: neither the old nor the new one")
    return state, [*faults, *stray_files(scene, new), *versions_faults(store, new)]


def stray_files(scene: Scene, known: Results) -> Iterator[str]:
    """Yield files that a reader could take for a result, and which are none."""
    named = {str(scene.store.path(address)) for address in known}
    for path in sorted(scene.data.rglob("*")):
        top = path.relative_to(scene.data).parts[0]
        if path.is_dir() or top in (WORKING, LOCKS, VERSIONS) or str(path) in named:
            continue
        if path.parent.name.startswith(TEMPORARY_PREFIX) or path.name == "manifest.json":
            continue
        model = re.fullmatch(r".*-([0-9a-f]{12})\.[a-z]+", path.name)
        if model is None or str(path.parent) not in named:
            yield f"{path}: belongs to no result"
        elif hashlib.sha256(path.read_bytes()).hexdigest()[:12] != model.group(1):
            yield f"{path}: a model whose name is not that of its content"


def versions_faults(store: Store, known: Results) -> Iterator[str]:
    """Yield kept versions that cannot be read, and results that are not among them."""
    for address in known:
        if not store.archive.keeps(address):
            continue
        for version in store.archive.versions(address):
            try:
                store.archive.read(address, version)
            except Model2Error as error:
                yield str(error)
        if store.current_version(address) is None:
            yield f"{address}: the current result is not among the kept versions"


def temporary_files(scene: Scene) -> list[str]:
    """Return the names of the temporary files and scratch folders that are there."""
    left = list(scene.data.rglob(f"{TEMPORARY_PREFIX}*"))
    left += list(scene.scratch.iterdir())
    return sorted(str(path.relative_to(scene.folder)) for path in left)


def versions_without_record(scene: Scene) -> list[Path]:
    """Return kept files that no record names: a kill between the two leaves one for a day."""
    files = [
        path
        for path in (scene.data / VERSIONS).rglob("*")
        if path.is_file() and not path.parent.name.startswith(TEMPORARY_PREFIX)
    ]
    records = {path for path in files if _RECORD.fullmatch(path.name)}
    for record in records:
        Record.from_json(record.read_bytes(), origin=str(record))
    named = {(path.parent, path.stem) for path in records}
    kept = set(files) - records
    return sorted(path for path in kept if (path.parent, path.name.split(".")[0]) not in named)
