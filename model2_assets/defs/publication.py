"""Checked, then published: a candidate that fails an error-level check is never served."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.defs.io_manager import SingleUse
from model2_assets.defs.metadata import finite, gallery, readable
from model2_assets.defs.region import Region

if TYPE_CHECKING:
    from model2_assets.checks import CheckOutcome


def publish(
    context: dg.AssetExecutionContext,
    region: Region,
    value: Any,
    checks: object,
    *,
    metadata: Mapping[str, Any],
    data_version: str | None = None,
    figures: Sequence[str] = (),
    pictures: Callable[[], Mapping[str, bytes]] | None = None,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Evaluate the checks of a candidate, then hand it on, or reject it.

    `checks` has a method for each check of the asset; `figures` names what they find that is shown
    on the asset's page besides the metadata. `pictures` returns PNGs by title, and is called for a
    candidate that passed; what goes wrong in it is logged as a warning, since no picture is worth
    a result. The data version is by default the one that a table states.

    Raises
    ------
    dagster.Failure
        If a check failed that rejects. It names the checks and says where the candidate was put.
    """
    from model2_assets.checks import evaluate, rejections
    from model2_assets.storage.data_version import data_version_of

    address = region.address(context)
    outcomes = list(evaluate(address.asset, checks))
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
    found: dict[str, Any] = {}
    for outcome in outcomes:
        found |= dict(outcome.values)
    rows = {"dagster/row_count": len(value)} if address.product.contract else {}
    shown = {**rows, **metadata, **{name: found[name] for name in figures}}
    # The result first: Dagster relates a check to the latest materialization before it.
    yield dg.MaterializeResult(
        value=SingleUse(value),
        metadata={**_drawn(context, region, pictures), **readable(shown)},
        data_version=dg.DataVersion(data_version or data_version_of(value)),
    )
    for outcome in outcomes:
        yield check_result(outcome)


def publish_report(
    context: dg.AssetExecutionContext, region: Region, html: str, parts: Sequence[str]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Publish a page that has to have certain parts; see `publish`."""
    from model2_assets.checks.reports import ReportChecks
    from model2_assets.reports import report_digest

    yield from publish(
        context,
        region,
        html,
        ReportChecks(html, parts),
        data_version=report_digest(html),
        metadata=_report_links(context, region),
    )


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


def _report_links(context: dg.AssetExecutionContext, region: Region) -> dict[str, Any]:
    """Return the link to the running step's report, as metadata: its path and its URL.

    On a local disk there is a ``file://`` URL, to be copied into the address bar, since browsers
    follow no such link from a page of a server.
    """
    from pathlib import Path

    from model2_assets.storage.files import is_local

    path = region.store.path(region.address(context))
    links: dict[str, Any] = {"report": dg.MetadataValue.path(str(path))}
    if is_local(path):
        links["open_report"] = dg.MetadataValue.url(Path(path.path).as_uri())
    return links
