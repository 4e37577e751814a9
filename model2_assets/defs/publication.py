"""Checked, then published: a candidate that fails an error-level check is never served."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.config import Model2Config, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.defs.io_manager import SingleUse
from model2_assets.defs.metadata import finite, gallery, readable
from model2_assets.defs.recorded import address_of
from model2_assets.defs.region import Region
from model2_assets.defs.steps import core_call

if TYPE_CHECKING:
    from model2_assets.checks import CheckOutcome
    from model2_assets.checks.subjects import Evidence
    from model2_assets.storage import Address
    from model2_assets.storage.read import PreviousResult
    from model2_assets.training import FoldCheckpoints, Tables, Task


FORCED_TAG = "model2/forced"
"""Tag of a run that makes all anew."""


@dataclass(frozen=True)
class Step:
    """A running step of a region: what it makes, of which inputs, and with which settings."""

    region: Region
    context: dg.AssetExecutionContext
    inputs: Mapping[str, Any]

    @property
    def config(self) -> Model2Config:
        """The whole configuration."""
        return self.region.config

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of it."""
        return self.region.settings

    @property
    def address(self) -> "Address":
        """Where its result belongs."""
        return address_of(self.context.asset_key, self._partition_key)

    @property
    def _partition_key(self) -> str | None:
        """None of an asset without partitions, though the run be of one."""
        is_partitioned = self.context.assets_def.partitions_def is not None
        return self.context.partition_key if is_partitioned else None

    @property
    def partition(self) -> Partition:
        """The horizon and model that it makes."""
        return Partition.parse(self.context.partition_key)

    @property
    def evidence(self) -> "Evidence":
        """What its result is held against."""
        from model2_assets.checks.subjects import Evidence

        partition = self.partition if self._partition_key else None
        return Evidence(self.config, self.region.name, partition, dict(self.inputs))

    def previous(self) -> "PreviousResult":
        """Read the table that its result replaces."""
        from model2_assets.storage.read import previous_result

        return previous_result(self.region.store, self.address)

    def stamped(self, table: Any, **facts: Any) -> Any:
        """Return a table that states the digest of its values, its inputs' versions, and facts."""
        from model2_assets.storage.data_version import data_versions_of, stamped

        return stamped(table, inputs=data_versions_of(**self.inputs), **facts)

    def task(self) -> "Task":
        """Return what determines the models of its partition."""
        from model2_assets.training import ModelRegistry, Task

        name, settings = self.region.name, self.settings
        registry = ModelRegistry.from_config(self.config, name)
        return Task.of(registry, self.partition, region=name, settings=settings)

    def tables(self, features: Any, labels: Any, cv_splits: Any) -> "Tables":
        """Return its inputs together, with where workers find them."""
        from model2_assets.training import Tables
        from model2_assets.training.task import TableSource

        base, working_dir = str(self.region.store.base), self.config.execution.working_dir
        source = TableSource(base, self.region.name, working_dir)
        return Tables(features, labels, cv_splits, source=source)

    def worked_out_once(
        self, kind: str, made_from: Mapping[str, str], work_out: Callable[[], Any]
    ) -> Any:
        """Return figures that all models share, by name: a working file where one can be kept."""
        from model2_assets.storage.cache import read_figures, write_figures
        from model2_assets.storage.record import document_digest

        code = self.region.specs[self.context.asset_key].code_version
        kept = self.region.store.working_files(self.region.name).get(
            kind,
            f"{document_digest({'code': code, **made_from})}.npz",
            write=lambda path: write_figures(path, work_out()),
            read=read_figures,
        )
        return work_out() if kept is None else kept

    def scratch_folder(self) -> AbstractContextManager[Path]:
        """Return a folder for what is larger than memory, among the region's working files."""
        from model2_assets.storage.files import scratch_folder

        working = self.region.store.working_files(self.region.name).folder
        if working is not None:
            working.mkdir(parents=True, exist_ok=True)
        return scratch_folder(working)

    def checkpoints(self) -> "FoldCheckpoints":
        """Return where its finished folds stay until all are."""
        from model2_assets.training import FoldCheckpoints

        working = self.region.store.working_files(self.region.name).folder
        found = FoldCheckpoints(
            root=working / "fold_checkpoints" if working else None,
            partition=self.address.parts[1:],
            code_version=self.region.specs[self.context.asset_key].code_version or "",
        )
        if FORCED_TAG in self.context.run.tags:
            found.discard()
        return found


@dataclass(frozen=True)
class Candidate:
    """What an asset's body has made, and what judges it.

    `checks` has a method for each check of the asset; `figures` names what they find that is shown
    on the asset's page besides the metadata. The data version is by default the one that a table
    states. `pictures` returns PNGs by title, and is called for a candidate that passed.
    `until_published` is entered before the checks, and left once the result is written.
    """

    value: Any
    checks: object
    metadata: Mapping[str, Any] = field(default_factory=dict)
    data_version: str | None = None
    figures: Sequence[str] = ()
    pictures: Callable[[], Mapping[str, bytes]] | None = None
    until_published: AbstractContextManager[Any, Any] = field(default_factory=nullcontext)


Body = Callable[..., Candidate]
"""An asset's body: takes the step and its inputs by name."""


def make_and_publish(
    body: Body, step: Step
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Make a candidate, evaluate its checks, then hand it on, or reject it.

    What that costs until it is handed on is on its page: ``seconds`` and ``peak_rss_mb``.

    Raises
    ------
    dagster.Failure
        If a check failed that rejects. It names the checks and says where the candidate was put.
    """
    from model2_assets.checks import evaluate, rejections
    from model2_assets.training.resources import measure_resources, release_unused_memory

    release_unused_memory()
    with core_call(step.context), ExitStack() as measuring:
        usage = measuring.enter_context(measure_resources())
        made = body(step, **step.inputs)
        with made.until_published:
            outcomes = list(evaluate(step.address.asset, made.checks))
            failed = rejections(outcomes)
            if failed:
                yield from _rejected(step, made.value, outcomes, failed)
            shown = {**_drawn(step, made.pictures), **_shown(step, made, outcomes)}
            measuring.close()
            costs = {"seconds": usage.seconds, "peak_rss_mb": usage.peak_rss_bytes / 1e6}
            # The result first: Dagster relates a check to the latest materialization before it.
            yield dg.MaterializeResult(
                value=SingleUse(made.value),
                metadata={**shown, **readable(costs)},
                data_version=_data_version(made),
            )
            for outcome in outcomes:
                yield check_result(outcome)


def _rejected(
    step: Step,
    value: Any,
    outcomes: "Sequence[CheckOutcome]",
    failed: "Sequence[CheckOutcome]",
) -> Iterator[dg.AssetCheckResult]:
    where = _put_aside(step, value)
    for outcome in outcomes:
        yield check_result(outcome, **(where if outcome in failed else {}))
    reasons = "; ".join(f"check {outcome.name}: {outcome.description}" for outcome in failed)
    raise dg.Failure(
        description=f"not published, the last good result stays. {reasons}",
        metadata=where,
        allow_retries=False,
    )


def _put_aside(step: Step, value: Any) -> dict[str, Any]:
    """Keep a rejected candidate, and say where; if that fails, say why: the verdict goes first."""
    try:
        path = step.region.store.reject(step.address, value)
    except Exception as error:
        reason = f"{step.address}: the rejected candidate could not be kept: {error}"
        step.context.log.warning(reason)
        return {"rejected_candidate_lost": reason}
    return {"rejected_candidate": dg.MetadataValue.path(str(path))}


def _drawn(step: Step, pictures: Callable[[], Mapping[str, bytes]] | None) -> dict[str, Any]:
    """Return pictures as metadata; what goes wrong is logged: no picture is worth a result."""
    if pictures is None or not step.config.reports.pictures:
        return {}
    try:
        return {"pictures": gallery(pictures())}
    except Exception as error:
        step.context.log.warning(f"pictures could not be drawn: {type(error).__name__}: {error}")
        return {}


def _shown(step: Step, made: Candidate, outcomes: "Sequence[CheckOutcome]") -> dict[str, Any]:
    found = {name: value for outcome in outcomes for name, value in outcome.values.items()}
    rows = {"dagster/row_count": len(made.value)} if step.address.product.contract else {}
    return readable({**rows, **made.metadata, **{name: found[name] for name in made.figures}})


def _data_version(made: Candidate) -> dg.DataVersion:
    from model2_assets.storage.data_version import data_version_of

    return dg.DataVersion(made.data_version or data_version_of(made.value))


def report_candidate(step: Step, html: str, parts: Sequence[str]) -> Candidate:
    """Return a page that has to have certain parts, with links to where it is published.

    On a local disk one is a ``file://`` URL, to be copied into the address bar, since browsers
    follow no such link from a page of a server.
    """
    from model2_assets.checks.reports import ReportChecks
    from model2_assets.reports import report_digest
    from model2_assets.storage.files import is_local

    path = step.region.store.path(step.address)
    links: dict[str, Any] = {"report": dg.MetadataValue.path(str(path))}
    if is_local(path):
        links["open_report"] = dg.MetadataValue.url(Path(path.path).as_uri())
    return Candidate(html, ReportChecks(html, parts), links, report_digest(html))


_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}


def check_result(
    outcome: "CheckOutcome", *, asset: dg.AssetKey | None = None, **metadata: Any
) -> dg.AssetCheckResult:
    """Return an outcome as Dagster stores it; a step that checks several assets names which."""
    return dg.AssetCheckResult(
        asset_key=asset,
        passed=outcome.passed,
        check_name=outcome.name,
        severity=_SEVERITIES[outcome.severity],
        description=outcome.description,
        metadata={**finite(outcome.values), **metadata},
    )
