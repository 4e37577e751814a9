"""Whether a planted failure was found, and whether the last good result stayed."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from model2_assets import load_oof
from model2_assets.config.partition import Partition
from model2_assets.defs.assets import PREPARATION, SUMMARY
from model2_assets.defs.region import Region
from model2_assets.storage import Address, Store
from model2_assets.storage.models import open_fold_models
from model2_assets_tests.planted_failures.field import PARTITION
from model2_assets_tests.planted_failures.planting import Plot

Files = Mapping[str, str]
"""SHA-256 of files, by path below the base."""


@dataclass(frozen=True)
class Verdict:
    """What became of a planted failure.

    Attributes
    ----------
    plot : Plot
        Where it was planted.
    problems : tuple of str
        What does not hold; empty where the last good result stayed, as promised.
    """

    plot: Plot
    problems: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether all holds that is promised."""
        return not self.problems


def published_files(base: Path) -> Files:
    """Return the SHA-256 of every published file."""
    found = [path.relative_to(base) for path in base.rglob("*") if path.is_file()]
    return {
        str(path): hashlib.sha256((base / path).read_bytes()).hexdigest()
        for path in found
        if not path.parts[0].startswith(".")
    }


def judge(
    plot: Plot, region: Region, instance: dg.DagsterInstance, before: Files, after: Files
) -> Verdict:
    """Look at what a run left of the place where a case was planted.

    Parameters
    ----------
    plot : Plot
        The place.
    region : Region
        Its region.
    instance : DagsterInstance
        Where the run was recorded.
    before, after : mapping of str to str
        Published files, as of before the failure was planted and now.

    Returns
    -------
    Verdict
        Nothing but what disk and event log say.
    """
    stayed = [Address(plot.region, asset, *_partition(plot, asset)) for asset in kept(plot, region)]
    changed = (_changes(address, before, after) for address in stayed)
    return Verdict(
        plot,
        (
            *_check_problems(plot, region, instance),
            *(problem for problems in changed for problem in problems),
            *_reading_problems(region.store, stayed[0]),
        ),
    )


def kept(plot: Plot, region: Region) -> list[str]:
    """Return the case's asset and what the same run would make from it, in the graph's order."""
    reached = {region.key(plot.case.asset)}
    for key, spec in region.specs.items():
        if any(dep.asset_key in reached for dep in spec.deps):
            reached.add(key)
    names = [key.path[-1] for key in region.specs if key in reached]
    if plot.case.asset in PREPARATION:
        return names
    return [name for name in names if (name in SUMMARY) == (plot.case.asset in SUMMARY)]


def _partition(plot: Plot, asset: str) -> tuple[str, ...]:
    if asset in (*PREPARATION, *SUMMARY):
        return ()
    return Partition.parse(plot.partition or PARTITION)


def _changes(address: Address, before: Files, after: Files) -> Iterator[str]:
    files = _files_below(before, str(address))
    if not files:
        yield f"{address}: there was no good result before"
    elif {name: after.get(name) for name in files} != files:
        yield f"{address}: is not the last good result any more"


def _reading_problems(store: Store, address: Address) -> Iterator[str]:
    try:
        store.verify(address)
        if address.asset == "oof_predictions":
            load_oof(address.region, str(address.horizon), str(address.model), store=store)
    except Exception as error:
        yield f"{address}: cannot be read any more ({error})"


def _files_below(files: Files, path: str) -> Files:
    return {name: h for name, h in files.items() if name == path or name.startswith(f"{path}/")}


def evaluations(instance: dg.DagsterInstance, plot: Plot) -> Iterator[Any]:
    """Yield the evaluations of a plot's check on its partition, the latest first."""
    key = dg.AssetCheckKey(dg.AssetKey([plot.region, plot.case.asset]), plot.case.check)
    # Dozens of partitions of one region have the same check.
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1000)
    return (record for record in records if record.partition == plot.partition)


def _check_problems(plot: Plot, region: Region, instance: dg.DagsterInstance) -> Iterator[str]:
    latest = next(evaluations(instance, plot), None)
    if latest is None or not isinstance(latest.evaluation, dg.AssetCheckEvaluation):
        yield "the check was not evaluated"
        return
    found = latest.evaluation
    if found.passed or found.severity != dg.AssetCheckSeverity.ERROR:
        yield f"the check did not fail: {found.description}"
        return
    run = instance.get_run_by_id(latest.run_id)
    if run is None or run.status != dg.DagsterRunStatus.FAILURE:
        yield f"the run did not fail: {run.status.value if run else 'it is unknown'}"
    if not _step_failed(instance, latest.run_id, plot):
        yield "the step did not fail"
    yield from _candidate_problems(plot, region, found.metadata)


def _step_failed(instance: dg.DagsterInstance, run_id: str, plot: Plot) -> bool:
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    step = f"{plot.region}__{plot.case.asset}"
    return any(event.step_key == step for event in events)


def _candidate_problems(plot: Plot, region: Region, metadata: Mapping[str, Any]) -> Iterator[str]:
    named = metadata.get("rejected_candidate")
    if named is None:
        yield f"no rejected candidate is named: {sorted(metadata)}"
        return
    path = Path(str(named.value))
    address = Address(plot.region, plot.case.asset, *_partition(plot, plot.case.asset))
    try:
        if _content(path) == _content(Path(str(region.store.path(address)))):
            yield f"{path}: is no other result than the last good one"
    except Exception as error:
        yield f"{path}: the rejected candidate cannot be read ({error})"


def _content(path: Path) -> Any:
    """Return what tells a result or a candidate from another one."""
    if path.is_dir():
        return open_fold_models(path).manifest.data_version
    if path.suffix == ".parquet":
        return _digest(pd.read_parquet(path))
    if path.suffix == ".jsonl":
        return _digest(
            pd.read_json(io.StringIO(path.read_text(encoding="utf-8").strip()), lines=True)
        )
    return path.read_text(encoding="utf-8")


def _digest(frame: pd.DataFrame) -> tuple[list[str], int]:
    rows = pd.util.hash_pandas_object(frame.convert_dtypes(), index=True)
    return list(map(str, frame.columns)), int(rows.sum())


def table_of(verdicts: Iterable[Verdict]) -> str:
    """Return a line for each verdict, and the counts."""
    verdicts = list(verdicts)
    lines = [
        f"{verdict.plot.case.asset:<20}{verdict.plot.case.check:<22}{verdict.plot.case.means:<18}"
        f"{'held' if verdict.held else 'DID NOT HOLD: ' + '; '.join(verdict.problems)}"
        for verdict in verdicts
    ]
    held = sum(verdict.held for verdict in verdicts)
    return "\n".join([*lines, f"{len(verdicts)} planted, {held} held"])
