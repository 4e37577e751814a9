"""The ``model2`` command.

What only some commands need is imported within them: dagster alone takes longer than ``--help``.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model2_assets.cli.context import (
    chosen_partitions,
    chosen_regions,
    dagster_home,
    end_dead_runs,
    open_instance,
    read_config,
    refusal,
    validate_imports,
)
from model2_assets.cli.plan import plan
from model2_assets.config import CONFIG_VARIABLE, Model2Config
from model2_assets.config.load import parse_values
from model2_assets.config.sections import expand_home
from model2_assets.defs.stop import Stopped, deferred, end_process, obey_signals, stopped
from model2_assets.errors import (
    ConfigError,
    Model2Error,
    StoreError,
    lack_of_memory,
    tells_secret,
    without_secrets,
)
from model2_assets.storage import Address, Store, default_base, default_store

if TYPE_CHECKING:
    import dagster as dg

    from model2_assets.defs.retrain import RunResult
    from model2_assets.storage.rollback import Rollback


class _Command(click.Group):
    """Turns a user's mistake into one sentence and exit status 2, the system's no into 1.

    As a process it ends at SIGINT and SIGTERM, with 130 and 143.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        obey_signals()
        try:
            return super().__call__(*args, **options)
        finally:
            if (reason := stopped()) is not None:
                end_process(reason.status)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Stopped as reason:
            click.echo(f"{reason}; results on disk are whole", err=True)
            ctx.exit(reason.status)
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


region_option = click.option("--region", help="This region only.")
horizon_option = click.option("--horizon", help="This horizon only, such as 21d.")
model_option = click.option("--model", help="This model only, such as ridge.")
gate_option = click.option(
    "--gate",
    is_flag=True,
    help="Name each failed step, failed check and missing partition on one line, and write "
    "gate.xml (JUnit) and gate.json.",
)
report_option = click.option(
    "--report-dir",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write the report there, else to gate/ below the base path; implies --gate.",
)


@click.group(
    cls=_Command,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"YAML file of what differs from the defaults (else ${CONFIG_VARIABLE}).",
)
@click.version_option(package_name="model2-assets")
def main(config: Path | None) -> None:
    """Train the base models of an equity-return forecaster, and look at the results."""
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(Path(expand_home(str(config))).absolute())


@main.command()
@region_option
@horizon_option
@model_option
@gate_option
@report_option
@click.option("--force", is_flag=True, help="Make all anew, and reuse no fold of a killed run.")
def retrain(gate: bool, report_dir: str | None, force: bool, **only: str | None) -> None:
    """Materialize the graph: data, features, splits, models, products, leaderboard.

    What is current is not made again: it was made by this code, with these settings, from what
    is there now. Exits with 1 if a step or an error-level check failed, with 2 if the configuration
    or an option is wrong; with --gate also with 1 if a partition is missing.
    """
    from model2_assets.cli.gate import JudgedCommand
    from model2_assets.cli.show import print_scores
    from model2_assets.defs.build import configured_regions, define
    from model2_assets.defs.publication import FORCED_TAG
    from model2_assets.defs.region import job_name
    from model2_assets.defs.retrain import execute_plan, plan_region

    command = JudgedCommand.begin("retrain", gate=gate, report_dir=report_dir, **only)
    regions = configured_regions(command.config, command.store)
    readers = {region.name: () if force else region.readers for region in regions}
    plan = [
        run
        for name, chosen in command.chosen.items()
        for run in plan_region(name, chosen, readers=readers[name])
    ]
    definitions = define(regions)
    with open_instance() as instance:
        end_dead_runs(instance)
        runs = execute_plan(
            definitions,
            instance,
            plan,
            regions=regions,
            tags={FORCED_TAG: "yes"} if force else None,
            hold=regions[0].store.hold,
        )
        results = list(runs)
    print_scores(
        [r.region for r in results if r.success and r.job == job_name(r.region, "summary")]
    )
    seconds = sum(run.seconds for run in results)
    current = sum(run.status == "current" for run in results)
    good, made = sum(run.success for run in results) - current, len(results) - current
    click.echo(
        f"{good} of {made} runs succeeded in {seconds:.0f} s"
        f"{f', {current} had nothing to make' if current else ''}\nfiles: {default_base()}\n"
        f"UI:    make ui    (or: DAGSTER_HOME={dagster_home()} model2 ui "
        f"-m model2_assets.definitions)"
    )
    sys.exit(command.judge(results))


@main.command()
@region_option
@horizon_option
@model_option
@gate_option
@report_option
def check(gate: bool, report_dir: str | None, **only: str | None) -> None:
    """Evaluate the checks on what is on disk, without retraining; results are not changed.

    Exits as retrain does; the evaluations are on the assets' pages in the UI.
    """
    from model2_assets.cli.gate import JudgedCommand
    from model2_assets.defs.build import build_definitions
    from model2_assets.defs.checks import check_stored
    from model2_assets.defs.region import Region

    command = JudgedCommand.begin("check", gate=gate, report_dir=report_dir, **only)
    definitions = build_definitions(command.config, command.store)
    results: list[RunResult] = []
    with open_instance() as instance:
        end_dead_runs(instance)
        for name, chosen in command.chosen.items():
            region = Region(name, command.config, command.store)
            keys = [partition.key for partition in chosen]
            with command.store.share(name):
                results += check_stored(definitions, instance, region, keys)
    checks = [found for result in results for found in result.checks]
    click.echo(f"{sum(found.passed for found in checks)} of {len(checks)} checks passed")
    sys.exit(command.judge(results))


@main.command("try")
@region_option
@horizon_option
@click.option("--model", required=True, help="Model, such as ridge.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    required=True,
    metavar="PARAMETER=VALUE,...",
    help="Values to try of a parameter, such as alpha=1000,5000; of several, every combination.",
)
def try_changes(changes: tuple[str, ...], **only: str | None) -> None:
    """Compare variants of a model, on the splits of the last retrain, with what is published."""
    from model2_assets.cli.show import terminal, variants_table
    from model2_assets.evaluation.variants import make_variants, try_variants

    config, values = read_config(), parse_values(changes, origin="--set")
    chosen = [
        (region, partition)
        for region, partitions in chosen_partitions(config, **only).items()
        for partition in partitions
    ]
    for region, partition in chosen:  # what cannot be is refused before any is fitted
        make_variants(config, region, partition, values)
    for region, partition in chosen:
        variants = try_variants(region, *partition, values, config=config)
        terminal().print(variants_table(region, partition, variants))


@main.command()
@region_option
def scores(region: str | None) -> None:
    """Show the leaderboard of the last retrain."""
    from model2_assets.cli.show import print_scores

    if not print_scores(chosen_regions(read_config(), region)):
        raise ConfigError(f"no leaderboard under {default_base()} yet; run: model2 retrain")


@main.command()
@region_option
@horizon_option
@model_option
def versions(**only: str | None) -> None:
    """Show the kept versions of the out-of-fold predictions, with scores and origin."""
    from model2_assets.cli.show import terminal, versions_table

    store, console = default_store(), terminal()
    tables = [
        versions_table(store, Address(name, "oof_predictions", *partition))
        for name, chosen in chosen_partitions(read_config(), **only).items()
        for partition in chosen
    ]
    shown = [table for table in tables if table is not None]
    if not shown:
        raise StoreError(
            f"no versions under {store.base}; they are kept from the next retrain on, unless "
            f"storage.keep_versions is 0"
        )
    for table in shown:
        console.print(table)


@main.command()
@click.option("--region", required=True, help="Region to roll back in.")
@click.option("--horizon", required=True, help="Horizon, such as 21d.")
@click.option("--model", required=True, help="Model, such as ridge.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("version")
def rollback(yes: bool, version: str, **only: str | None) -> None:
    """Return a model and horizon to VERSION of its out-of-fold predictions.

    Everything that belongs to these predictions is restored with them: models, paths,
    importances, scores. All of it is verified before anything is replaced.
    """
    config = read_config()
    ((region, (partition,)),) = chosen_partitions(config, **only).items()
    store = default_store(trainers=config.trainers)
    with open_instance() as instance, store.hold(region):
        end_dead_runs(instance)
        predictions = Address(region, "oof_predictions", *partition)
        roll_back(store, predictions, version, instance, is_confirmed=yes)


def roll_back(
    store: Store,
    predictions: Address,
    prefix: str,
    instance: "dg.DagsterInstance",
    *,
    is_confirmed: bool,
) -> None:
    """Restore all results of a model and horizon, and record it in Dagster.

    Raises `StoreError` if no version of these predictions begins with `prefix`, a file is
    missing or damaged, or a run is in progress, and `click.Abort` if the answer is no; nothing
    has been replaced then.
    """
    from model2_assets.defs.rollback import (
        inputs_that_moved_on,
        record_rollback,
        refuse_unrecorded_pickles,
        refuse_while_running,
    )
    from model2_assets.storage.rollback import plan_rollback, restore, verify_rollback

    rollback = plan_rollback(store, predictions, prefix)
    verify_rollback(store, rollback)
    refuse_unrecorded_pickles(instance, store, rollback)
    current = store.current_version(predictions)
    click.echo(
        f"{predictions.region} {predictions.horizon} {predictions.model}: current is "
        f"{'no kept version' if current is None else current.short}; verified and ready to restore:"
    )
    for asset, version in rollback.versions.items():
        first = f"{version.first_published:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"  {asset} {version.short}, first published {first}")
    if not is_confirmed:
        click.confirm("Replace the current results by these?", abort=True)
    refuse_while_running(instance)
    with deferred():
        for asset in restore(store, rollback):
            record_rollback(instance, rollback, asset, rollback.versions[asset])
    moved = inputs_that_moved_on(instance, predictions.region, rollback)
    _say_what_is_left(store, rollback, moved)


def _say_what_is_left(store: Store, rollback: "Rollback", moved: Sequence[str]) -> None:
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


@main.command("validate-config")
@click.option("--no-data", is_flag=True, help="Do not read the market data.")
def validate_config(no_data: bool) -> None:
    """Say whether the configuration is understood and its market data can be used."""
    from model2_assets.defs.nightly import check_cron

    config = read_config()
    check_cron(config.schedule)
    validate_imports(config, chosen_partitions(config, region=None, horizon=None, model=None))
    for name, region in config.regions.items():
        horizons = ", ".join(region.labels.horizon_keys)
        models = ", ".join(config.models_of(name))
        click.echo(f"region {name}: horizons {horizons}; models {models}")
        if not no_data:
            from model2_assets.checks.label_scale import widest_labels
            from model2_assets.features.extra import with_extra
            from model2_assets.labels import make_labels
            from model2_assets.market_data import load_market_data

            data = load_market_data(region.market_data)
            labels = make_labels(data.panel, region.labels)
            click.echo(f"  market data: {data.source}: {len(data.panel):,} rows")
            own = with_extra(data.panel[[]], region.features, data.panel)
            if region.features.extra:
                click.echo(f"  own features: {', '.join(own.columns)}")
            widest = widest_labels(labels, region.labels.horizon_keys)
            limit = config.checks.prediction_bps
            if not widest.fits(limit):
                click.echo(
                    f"  warning: {widest.describe(limit)}: set checks.prediction_bps to "
                    f"{widest.fitting_limit_bps}, else the check range may reject what is trained"
                )
    _say_what_is_outdated(config)
    click.echo("the configuration is valid")


def _say_what_is_outdated(config: Model2Config) -> None:
    """Say what the next retrain makes of results that are there; market data are not compared."""
    from model2_assets.defs.build import configured_regions, define
    from model2_assets.defs.recorded import partition_problems

    regions = configured_regions(config, default_store())
    made = [r for r in regions if r.store.exists(Address(r.name, "market_data"))]
    if not made:
        return
    define(regions)
    with open_instance() as instance:
        for region in made:
            problems = partition_problems(region.results(instance))
            for problem in dict.fromkeys(problems.values()):
                keys = ", ".join(key for key, found in problems.items() if found == problem)
                click.echo(f"region {region.name}: outdated: {keys}: {problem}")


@main.command("propose-splits")
@region_option
@click.option("--dates", type=click.IntRange(2), help="Labelled dates; else the region's own.")
@click.option(
    "--train-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.6,
    help="Wanted dates to train on, as a share of all dates.",
)
@click.option("--paths", type=click.IntRange(1), default=5, help="Wanted complete histories.")
@click.option(
    "--max-splits",
    type=click.IntRange(2),
    default=100,
    help="Most splits: each is a fit of every model and horizon.",
)
def propose_splits(
    region: str | None, dates: int | None, train_share: float, paths: int, max_splits: int
) -> None:
    """Propose n_groups and n_test_groups, and say what purging costs."""
    from model2_assets.cli.show import labelled_dates, proposal_table, terminal
    from model2_assets.cross_validation import propose_cpcv

    config = read_config()
    for name in chosen_regions(config, region):
        settings = config.regions[name]
        proposal = propose_cpcv(
            dates or labelled_dates(settings),
            label_window=max(settings.labels.horizons) + settings.labels.execution_lag_days,
            embargo_days=settings.cross_validation.embargo_days,
            train_share=train_share,
            n_paths=paths,
            max_splits=max_splits,
        )
        terminal().print(proposal_table(name, proposal))
        found = f"{{n_groups: {proposal.n_groups}, n_test_groups: {proposal.n_test_groups}}}"
        click.echo(f"{name}: {proposal.text}\ncross_validation: {found}")


@main.command("close-runs")
def close_runs() -> None:
    """Mark runs of killed retrains as failed, so that they hold no slot of the queue."""
    with open_instance() as instance:
        end_dead_runs(instance)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def ui(options: tuple[str, ...]) -> None:
    """Run Dagster's UI and daemon on the instance of the results, until a signal ends both.

    OPTIONS are those of dagster dev, such as --port 3001.
    """
    from model2_assets.cli.ui import serve

    read_config()
    with open_instance() as instance:
        end_dead_runs(instance)
        sys.exit(serve(instance, options))


@main.command("prune-runs")
@click.option(
    "--keep-days",
    type=click.IntRange(1),
    default=90,
    help="Days for which every run stays.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many would be deleted.")
def prune_runs(keep_days: int, dry_run: bool) -> None:
    """Delete old runs and their events from the Dagster instance.

    Results are not touched, and neither is any run that made a current or a kept version.
    """
    from model2_assets.defs.maintenance import delete_runs, find_prunable

    keep = max(read_config().storage.keep_versions, 1)
    before = datetime.now(UTC) - timedelta(days=keep_days)
    with open_instance() as instance:
        found = find_prunable(instance, before=before, keep=keep)
        if not dry_run:
            delete_runs(instance, found.runs)
    click.echo(
        f"runs older than {keep_days} days: {len(found.runs)} "
        f"{'would be deleted' if dry_run else 'deleted'}, {len(found.needed)} stay, which results "
        f"at hand were made by"
    )


main.add_command(plan)

if __name__ == "__main__":
    main()
