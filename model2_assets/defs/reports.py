"""What reports have in common: their checks, and where they can be opened."""

from typing import Any

import dagster as dg

from model2_assets.defs.region import CheckText, Region

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

    from model2_assets.files import is_local

    path = region.store.path(region.address(context))
    links: dict[str, Any] = {"report": dg.MetadataValue.path(str(path))}
    if is_local(path):
        links["open_report"] = dg.MetadataValue.url(Path(path.path).as_uri())
    return links
