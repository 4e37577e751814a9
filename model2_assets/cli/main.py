"""The ``model2`` command."""

import os
import sqlite3
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model2_assets.cli.gate import GateReport, gate_options, pass_judgement, problem_lines
from model2_assets.config import CONFIG_VARIABLE, Model2Config, load_config
from model2_assets.defs.run_result import RunResult
from model2_assets.errors import (
    ConfigError,
    Model2Error,
    StoreError,
    lack_of_memory,
    tells_secret,
    without_secrets,
)
from model2_assets.logging import setup_logging
from model2_assets.storage import Address, Store, default_base, default_store, repository_root
from model2_assets.storage.archive import Version
from model2_assets.storage.rollback import Rollback, plan_rollback, restore, verify_rollback
from model2_assets.training.resources import require_address_space

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from rich.console import Console

    from model2_assets.defs.retrain import PlannedRun


HOME_VARIABLE = "DAGSTER_HOME"

_AFTER = "results on disk are whole, and the next retrain closes what this one left open"


def dagster_home() -> Path:
    """Return the folder of the Dagster instance, and make Dagster use it."""
    home = Path(os.environ.get(HOME_VARIABLE) or repository_root() or Path.cwd() / ".dagster")
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    os.environ[HOME_VARIABLE] = str(home)
    return home


@contextmanager
def open_instance() -> "Iterator[DagsterInstance]":
    """Open the Dagster instance of the home; see `dagster_home`.

    Raises
    ------
    ConfigError
        If its ``dagster.yaml`` cannot be understood, or names an environment variable that is
        not set.
    """
    import dagster as dg

    settings = dagster_home() / "dagster.yaml"
    try:
        instance = dg.DagsterInstance.get()
    except Exception as error:
        if refusal(error):
            raise
        reason = without_secrets(_one_line(_first_reason(error))).rstrip(".")
        raise ConfigError(
            f"{settings}: {reason}; correct the file, or set what it names"
        ) from error
    with instance:
        yield instance


def refusal(error: BaseException | None) -> str | None:
    """Return one sentence where memory, the disk or a database gave up, and None elsewhere.

    Parameters
    ----------
    error : exception, optional
        What came out; its causes are looked at as well.

    Returns
    -------
    str or None
        What happened, and what to do.
    """
    if lack_of_memory(error) is not None:
        return f"out of memory; give the process more, then run again: {_AFTER}"
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the system refuses: {error}; mend the cause, then run again: {_AFTER}"
        if type(error).__name__ == "OperationalError":
            reason = getattr(error, "orig", error)
            return (
                f"Dagster's database cannot be used: {_one_line(reason)}; {_needs(reason)}, then "
                f"run again: {_AFTER}"
            )
        error = error.__cause__
    return None


def _first_reason(error: Exception) -> str:
    """Return what Dagster says of the first of its settings that is wrong."""
    reasons = getattr(error, "errors", None)
    text = str(reasons[0].message if reasons else error)
    return text.partition("Stack Trace:")[0]


def _needs(reason: object) -> str:
    home = os.environ.get(HOME_VARIABLE)
    if isinstance(reason, sqlite3.Error):
        return f"it needs space, memory and the right to write {home}"
    return f"the server that dagster.yaml in {home} names has to run, and to let its user in"


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


def show_versions(store: Store, predictions: Sequence[Address], console: "Console") -> None:
    """Print the kept versions of out-of-fold predictions, a table per model and horizon.

    Raises
    ------
    StoreError
        If none is kept of any.
    """
    from model2_assets.cli.show import versions_table

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


class _Command(click.Group):
    """Turns a user's mistake into one sentence and exit status 2, the system's no into 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(error, Model2Error) and lack_of_memory(error) is None:
                click.echo(f"error: {error}", err=True)
                ctx.exit(2)
            refused = refusal(error)
            if refused is None and not tells_secret(error):
                raise
            text = f"error: {refused}" if refused else traceback.format_exc()
            click.echo(without_secrets(text), err=True)
            ctx.exit(1)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"YAML file of what differs from the defaults (else ${CONFIG_VARIABLE}).",
)
def main(config: Path | None) -> None:
    """Train the base models of an equity-return forecaster, and look at the results."""
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config.absolute())


@main.command()
@click.option("--region", help="Retrain this region only.")
@click.option("--horizon", help="Train this horizon only, such as 21d.")
@click.option("--model", help="Train this model only, such as ridge.")
@gate_options
def retrain(
    region: str | None,
    horizon: str | None,
    model: str | None,
    gate: bool,
    report_dir: str | None,
) -> None:
    """Materialize the whole graph: data, features, splits, models, products, leaderboard.

    Exits with 1 if a step or an error-level check failed, with 2 if the configuration
    or an option is wrong; with --gate also with 1 if a partition is missing.
    """
    started = datetime.now(UTC)
    require_address_space()
    config = _load_config()
    plan = _plan(config, region, horizon, model)
    _validate_imports(config)
    home = dagster_home()
    store = default_store()
    report = GateReport.prepare(report_dir, store) if gate or report_dir else None
    click.echo(f"results: {store.base}\nDagster: {home}", err=True)

    from model2_assets.defs.build import build_definitions, configured_store
    from model2_assets.defs.retrain import execute_plan, not_started
    from model2_assets.storage.lock import hold_region

    definitions = build_definitions(config, store)
    hold = partial(hold_region, configured_store(config, store))
    with open_instance() as instance:
        _close_dead_runs(instance)
        finished = list(execute_plan(definitions, instance, plan, hold=hold))
    summarized = [run.planned.region for run in finished if run.is_summary and run.success]
    _print_scores(summarized)
    results = [*(run.result for run in finished), *not_started(plan, finished)]
    _print_outcome(results, home)
    regions = _chosen(region, list(config.regions), "region")
    sys.exit(_judge(results, report, "retrain", started, config, store, regions))


@main.command()
@click.option("--region", help="Check this region only.")
@click.option("--horizon", help="Check partitions of this horizon only, such as 21d.")
@click.option("--model", help="Check partitions of this model only, such as ridge.")
@gate_options
def check(
    region: str | None,
    horizon: str | None,
    model: str | None,
    gate: bool,
    report_dir: str | None,
) -> None:
    """Evaluate the checks on what is on disk, without retraining; results are not changed.

    Exits as retrain does; the evaluations are on the assets' pages in the UI.
    """
    started = datetime.now(UTC)
    config = _load_config()
    plan = _plan(config, region, horizon, model)
    home = dagster_home()
    store = default_store()
    report = GateReport.prepare(report_dir, store) if gate or report_dir else None
    click.echo(f"results: {store.base}\nDagster: {home}", err=True)

    from model2_assets.defs.build import build_definitions
    from model2_assets.defs.checks import check_stored
    from model2_assets.defs.region import Region
    from model2_assets.storage.lock import share_region

    definitions = build_definitions(config, store)
    regions = _chosen(region, list(config.regions), "region")
    results: list[RunResult] = []
    with open_instance() as instance:
        _close_dead_runs(instance)
        for name in regions:
            partitions = [run.partition for run in plan if run.region == name and run.partition]
            with share_region(store, name):
                results += check_stored(
                    definitions, instance, Region(name, config, store), partitions
                )
    checks = [found for result in results for found in result.checks]
    click.echo(f"{sum(found.passed for found in checks)} of {len(checks)} checks passed")
    sys.exit(_judge(results, report, "check", started, config, store, regions))


@main.command()
@click.option("--region", help="Show this region only.")
def scores(region: str | None) -> None:
    """Show the leaderboard of the last retrain."""
    config = _load_config()
    names = _chosen(region, list(config.regions), "region")
    if not _print_scores(names):
        raise ConfigError(f"no leaderboard under {default_base()} yet; run: model2 retrain")


@main.command()
@click.option("--region", help="Show this region only.")
@click.option("--horizon", help="Show this horizon only, such as 21d.")
@click.option("--model", help="Show this model only, such as ridge.")
def versions(region: str | None, horizon: str | None, model: str | None) -> None:
    """Show the kept versions of the out-of-fold predictions, with scores and origin."""
    config = _load_config()
    predictions = [
        Address(name, "oof_predictions", horizon_key, model_name)
        for name in _chosen(region, list(config.regions), "region")
        for horizon_key in _chosen(horizon, config.region(name).labels.horizon_keys, "horizon")
        for model_name in _chosen(model, list(config.models_of(name)), "model")
    ]
    show_versions(default_store(), predictions, _console())


@main.command()
@click.option("--region", required=True, help="Region to roll back in.")
@click.option("--horizon", required=True, help="Horizon, such as 21d.")
@click.option("--model", required=True, help="Model, such as ridge.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("version")
def rollback(region: str, horizon: str, model: str, yes: bool, version: str) -> None:
    """Return a model and horizon to VERSION of its out-of-fold predictions.

    Everything that belongs to these predictions is restored with them: models, paths,
    importances, scores. All of it is verified before anything is replaced.
    """
    config = _load_config()
    _chosen(region, list(config.regions), "region")
    _chosen(horizon, config.region(region).labels.horizon_keys, "horizon")
    _chosen(model, list(config.models_of(region)), "model")
    dagster_home()

    from model2_assets.config.partition import Partition
    from model2_assets.storage.lock import hold_region

    store = default_store(trainers=config.trainers)
    held = hold_region(store, region, partition=Partition(horizon, model).key)
    with open_instance() as instance, held:
        _close_dead_runs(instance)
        roll_back(
            store,
            Address(region, "oof_predictions", horizon, model),
            version,
            instance,
            is_confirmed=yes,
        )


@main.command("validate-config")
@click.option("--no-data", is_flag=True, help="Do not read the market data.")
def validate_config(no_data: bool) -> None:
    """Say whether the configuration is understood and its market data can be used."""
    config = _load_config()
    _validate_imports(config)
    for name, region in config.regions.items():
        horizons = ", ".join(region.labels.horizon_keys)
        models = ", ".join(config.models_of(name))
        click.echo(f"region {name}: horizons {horizons}; models {models}")
        if not no_data:
            from model2_assets.labels import make_labels
            from model2_assets.market_data import load_market_data

            data = load_market_data(region.market_data)
            make_labels(data.panel, region.labels)
            click.echo(f"  market data: {data.source}: {len(data.panel):,} rows")
    click.echo("the configuration is valid")


@main.command("propose-splits")
@click.option("--region", help="Propose for this region only.")
@click.option("--dates", type=click.IntRange(2), help="Labelled dates; else the region's own.")
@click.option(
    "--train-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.6,
    show_default=True,
    help="Wanted dates to train on, as a share of all dates.",
)
@click.option(
    "--paths",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Wanted number of complete out-of-fold histories.",
)
@click.option(
    "--max-splits",
    type=click.IntRange(2),
    default=100,
    show_default=True,
    help="Most splits: each is a fit of every model and horizon.",
)
def propose_splits(
    region: str | None,
    dates: int | None,
    train_share: float,
    paths: int,
    max_splits: int,
) -> None:
    """Propose n_groups and n_test_groups, and say what purging costs."""
    from model2_assets.cli.show import labelled_dates, proposal_table
    from model2_assets.cross_validation import propose_cpcv

    config = _load_config()
    console = _console()
    names = _chosen(region, list(config.regions), "region")
    for name in names:
        settings = config.regions[name]
        proposal = propose_cpcv(
            dates or labelled_dates(settings),
            label_window=max(settings.labels.horizons) + settings.labels.execution_lag_days,
            embargo_days=settings.cross_validation.embargo_days,
            train_share=train_share,
            n_paths=paths,
            max_splits=max_splits,
        )
        console.print(proposal_table(name, proposal))
        click.echo(f"{name}: {proposal.text}")
        click.echo(
            f"cross_validation: {{n_groups: {proposal.n_groups}, "
            f"n_test_groups: {proposal.n_test_groups}}}"
        )


@main.command("close-runs")
def close_runs() -> None:
    """Mark runs of killed retrains as failed, so that they hold no slot of the queue."""
    with open_instance() as instance:
        _close_dead_runs(instance)


@main.command("prune-runs")
@click.option(
    "--keep-days",
    type=click.IntRange(1),
    default=90,
    show_default=True,
    help="Days for which every run stays.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many would be deleted.")
def prune_old_runs(keep_days: int, dry_run: bool) -> None:
    """Delete old runs and their events from the Dagster instance.

    Results are not touched, and neither is any run that made a current or a kept version.
    """
    config = _load_config()
    with open_instance() as instance:
        keep = max(config.storage.keep_versions, 1)
        prune_runs(instance, keep_days=keep_days, keep=keep, dry_run=dry_run)


def _load_config() -> Model2Config:
    config = load_config()
    setup_logging(config.logging.level, config.logging.format)
    return config


def _close_dead_runs(instance: "DagsterInstance") -> None:
    from model2_assets.defs.retrain import close_dead_runs

    closed = close_dead_runs(instance)
    if closed:
        click.echo(f"closed {closed} runs whose process was killed", err=True)


def _plan(
    config: Model2Config, region: str | None, horizon: str | None, model: str | None
) -> "list[PlannedRun]":
    from model2_assets.defs.retrain import plan_region

    names = _chosen(region, list(config.regions), "region")
    plan = []
    for name in names:
        horizons = list(config.regions[name].labels.horizon_keys)
        models = list(config.models_of(name))
        plan += plan_region(
            name,
            horizons=_chosen(horizon, horizons, "horizon"),
            models=_chosen(model, models, "model"),
        )
    return plan


def _chosen(value: str | None, known: Sequence[str], what: str) -> list[str]:
    """Return the one that an option names, or all where it is not given."""
    if value is None:
        return list(known)
    if value not in known:
        raise ConfigError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    return [value]


def _console() -> "Console":
    """Return a console as wide as the terminal, or as the widest table where there is none."""
    from rich.console import Console

    from model2_assets.cli.show import WIDE

    return Console(width=None if sys.stdout.isatty() else WIDE)


def _validate_imports(config: Model2Config) -> None:
    from model2_assets.config.load import load_object
    from model2_assets.training import ModelRegistry

    for name, region in config.regions.items():
        ModelRegistry.from_config(config, name).validate(region.labels.horizon_keys)
        for key, path in (
            ("labels.builder", region.labels.builder),
            ("features.builder", region.features.builder),
            ("cross_validation.splitter", region.cross_validation.splitter),
        ):
            if path is not None:
                load_object(path, key=f"regions.{name}.{key}")


def _print_scores(regions: Sequence[str]) -> bool:
    from model2_assets.cli.show import fitting_scores_table

    store = default_store()
    console = _console()
    shown = False
    for region in regions:
        address = Address(region, "leaderboard")
        if store.exists(address):
            board = store.read(address)
            console.print(fitting_scores_table(console, region, board))
            shown = True
    return shown


def _judge(
    results: Sequence[RunResult],
    report: GateReport | None,
    command: str,
    started: datetime,
    config: Model2Config,
    store: Store,
    regions: Sequence[str],
) -> int:
    """Say what is wrong, with a report if one is wanted; return the exit status."""
    if report is not None:
        return pass_judgement(report, command, started, results, config, store, regions)
    for line in problem_lines(results):
        click.echo(line, err=True)
    return 0 if all(result.status == "passed" for result in results) else 1


def _print_outcome(results: Sequence[RunResult], home: Path) -> None:
    seconds = sum(run.seconds for run in results)
    good = sum(run.status == "passed" for run in results)
    click.echo(f"{good} of {len(results)} runs succeeded in {seconds:.0f} s")
    click.echo(f"files: {default_base()}")
    click.echo(
        f"UI:    make ui    (or: DAGSTER_HOME={home} dagster dev -m model2_assets.definitions)"
    )


if __name__ == "__main__":
    main()


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
    from model2_assets.defs.maintenance import (
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
