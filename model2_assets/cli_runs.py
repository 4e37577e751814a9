"""What ``model2 prune-runs`` does."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dagster import DagsterInstance


def prune_runs(instance: "DagsterInstance", *, keep_days: int, keep: int, dry_run: bool) -> None:
    """Delete old runs of an instance, and say what was deleted.

    Parameters
    ----------
    instance : DagsterInstance
        The instance.
    keep_days : int
        Age of a run, in days, up to which it stays.
    keep : int
        Materializations of every asset and partition that stay however old they are.
    dry_run : bool
        Only say what would be deleted.
    """
    from model2_assets.defs.pruning import (
        compact,
        delete_runs,
        find_prunable,
        forget_abandoned,
        log_bytes,
    )

    before = datetime.now(UTC) - timedelta(days=keep_days)
    found = find_prunable(instance, before=before, keep=keep)
    old = f"runs older than {keep_days} days"
    stay = f"{len(found.needed)} stay, which results at hand were made by"
    if dry_run:
        click.echo(f"{old}: {len(found.runs)} would be deleted, {stay}")
        return
    size_before = log_bytes(instance)
    delete_runs(instance, found.runs)
    left = forget_abandoned(instance, before=before)
    busy = compact(instance)
    click.echo(f"{old}: {len(found.runs)} deleted, {stay}")
    if left:
        click.echo(f"left of runs whose deletion was interrupted: {left}, deleted")
    size_after = log_bytes(instance)
    if size_before is not None and size_after is not None:
        click.echo(f"event log: {size_before / 1e6:,.1f} MB before, {size_after / 1e6:,.1f} MB now")
    for database in busy:
        click.echo(
            f"warning: {database}: in use, not compacted; stop the daemon and the UI, and repeat",
            err=True,
        )
