"""What ``model2 versions`` and ``model2 rollback`` do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from model2_assets.errors import StoreError
from model2_assets.storage import Address, Store
from model2_assets.versions import Rollback, Version, plan_rollback, restore, verify_rollback

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from rich.console import Console


def show_versions(store: Store, predictions: Sequence[Address], console: "Console") -> None:
    """Print the kept versions of out-of-fold predictions, a table per model and horizon.

    Raises
    ------
    StoreError
        If none is kept of any.
    """
    from model2_assets.versions_table import versions_table

    tables = [versions_table(store, address) for address in predictions]
    shown = [table for table in tables if table is not None]
    if not shown:
        raise StoreError(
            f"no versions under {store.base}; they are kept from the next retrain on, unless "
            f"storage.keep_versions is 0"
        )
    for table in shown:
        console.print(table)


def roll_back(
    store: Store,
    predictions: Address,
    prefix: str,
    instance: "DagsterInstance",
    *,
    is_confirmed: bool,
) -> None:
    """Restore all results of a model and horizon, and record it in Dagster.

    Parameters
    ----------
    store : Store
        Where results are.
    predictions : Address
        Of the out-of-fold predictions.
    prefix : str
        Version of the predictions to return to.
    instance : DagsterInstance
        Where it is recorded.
    is_confirmed : bool
        False asks first.

    Raises
    ------
    StoreError
        If there is no such version, a file is missing or damaged, or a run is in progress;
        nothing has been replaced then.
    click.Abort
        If the answer is no.
    """
    from model2_assets.defs.rollback import (
        inputs_that_moved_on,
        record_rollback,
        refuse_unrecorded_pickles,
        refuse_while_running,
    )

    rollback = plan_rollback(store, predictions, prefix)
    verify_rollback(store, rollback)
    refuse_unrecorded_pickles(instance, store, rollback)
    _announce(rollback, store.current_version(predictions))
    if not is_confirmed:
        click.confirm("Replace the current results by these?", abort=True)
    refuse_while_running(instance)
    for asset in restore(store, rollback):
        record_rollback(instance, rollback, asset, rollback.versions[asset])
    moved = inputs_that_moved_on(instance, predictions.region, rollback)
    _say_what_is_left(store, rollback, moved)


def _announce(rollback: Rollback, current: Version | None) -> None:
    predictions = rollback.predictions
    click.echo(
        f"{predictions.region} {predictions.horizon} {predictions.model}: current is "
        f"{'no kept version' if current is None else current.short}; verified and ready to restore:"
    )
    for asset, version in rollback.versions.items():
        click.echo(f"  {asset} {version.short}, first published {_time(version)}")


def _say_what_is_left(store: Store, rollback: Rollback, moved: Sequence[str]) -> None:
    from model2_assets.defs.assets import SUMMARY

    region = rollback.predictions.region
    click.echo("rolled back; what was current before is still kept as a version")
    if rollback.left_as_is:
        click.echo(
            f"left as it is, for want of a version that belongs to these predictions: "
            f"{', '.join(rollback.left_as_is)}; materialize it again"
        )
    if moved:
        click.echo(
            f"{' and '.join(moved)} of {region} changed since: the check "
            f"stored_models_reproduce_oof cannot compare, and the next retrain makes new models"
        )
    stored = [asset for asset in SUMMARY if store.exists(Address(region, asset))]
    selection = ",".join(f"{region}/{asset}" for asset in stored or SUMMARY)
    click.echo(
        f"materialize what compares all models again: dagster asset materialize "
        f"-m model2_assets.definitions --select '{selection}'"
    )


def _time(version: Version) -> str:
    return f"{version.first_published:%Y-%m-%d %H:%M:%S} UTC"
