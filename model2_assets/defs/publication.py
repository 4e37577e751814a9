"""Checked, then published: a candidate that fails an error-level check is never served."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.defs.io_manager import Handover
from model2_assets.defs.metadata import finite, gallery, readable
from model2_assets.defs.region import CheckText, Region

if TYPE_CHECKING:
    from model2_assets.checks import CheckOutcome


def publish(
    context: dg.AssetExecutionContext,
    region: Region,
    value: Any,
    outcomes: "Sequence[CheckOutcome]",
    *,
    data_version: str,
    metadata: Mapping[str, Any],
    pictures: Callable[[], Mapping[str, bytes]] | None = None,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Report the checks of a candidate, then hand it on, or reject it.

    Parameters
    ----------
    context : AssetExecutionContext
        The running step.
    region : Region
        Its region.
    value : DataFrame or FittedModels
        The candidate.
    outcomes : sequence of CheckOutcome
        What the checks found.
    data_version : str
        Digest of the candidate's values.
    metadata : mapping
        Shown on the asset's page.
    pictures : callable, optional
        Returns PNGs by title, shown there as well. Called for a candidate that passed; what
        goes wrong in it is logged as a warning, since no picture is worth a result.

    Yields
    ------
    MaterializeResult
        The candidate, if no check failed that rejects it.
    AssetCheckResult
        One per outcome.

    Raises
    ------
    dagster.Failure
        If one did. It names the checks and says where the candidate was put.
    """
    from model2_assets.checks import rejections

    failed = rejections(outcomes)
    if failed:
        where = _put_aside(context, region, value)
        for outcome in outcomes:
            yield check_result(outcome, **(where if outcome in failed else {}))
        reasons = "; ".join(f"check {outcome.name}: {outcome.description}" for outcome in failed)
        raise dg.Failure(
            description=f"not published, the last good result stays. {reasons}",
            metadata=where,
            allow_retries=False,
        )
    # The result first: Dagster relates a check to the latest materialization before it.
    yield dg.MaterializeResult(
        value=Handover(value),
        metadata={**_drawn(context, region, pictures), **readable(metadata)},
        data_version=dg.DataVersion(data_version),
    )
    for outcome in outcomes:
        yield check_result(outcome)


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


def _put_aside(context: dg.AssetExecutionContext, region: Region, value: Any) -> dict[str, Any]:
    """Keep a rejected candidate, and say where; if that fails, say why: the verdict goes first."""
    address = region.address(context)
    try:
        path = region.store.reject(address, value)
    except Exception as error:
        reason = f"{address}: the rejected candidate could not be kept: {error}"
        context.log.warning(reason)
        return {"rejected_candidate_lost": reason}
    return {"rejected_candidate": dg.MetadataValue.path(str(path))}


def _drawn(
    context: dg.AssetExecutionContext,
    region: Region,
    pictures: Callable[[], Mapping[str, bytes]] | None,
) -> dict[str, Any]:
    if pictures is None or not region.config.reports.pictures:
        return {}
    try:
        return {"pictures": gallery(pictures())}
    except Exception as error:
        context.log.warning(f"pictures could not be drawn: {type(error).__name__}: {error}")
        return {}


_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}

REPORT_CHECKS = {
    "complete": CheckText("Every section, table and chart is there, once."),
    "self_contained": CheckText("The file opens offline: it fetches nothing and runs nothing."),
    "size": CheckText("The file stays below 5 MB."),
}
"""Checks of every report, by name."""


def report_links(context: dg.AssetExecutionContext, region: Region) -> dict[str, Any]:
    """Return the link to the running step's report, as metadata.

    Parameters
    ----------
    context : AssetExecutionContext
        The running step.
    region : Region
        Its region.

    Returns
    -------
    dict of str to metadata value
        ``report``: its path, and on a local disk ``open_report``: its ``file://`` URL, to be
        copied into the address bar, since browsers follow no such link from a page of a server.
    """
    from pathlib import Path

    from model2_assets.storage.files import is_local

    path = region.store.path(region.address(context))
    links: dict[str, Any] = {"report": dg.MetadataValue.path(str(path))}
    if is_local(path):
        links["open_report"] = dg.MetadataValue.url(Path(path.path).as_uri())
    return links
