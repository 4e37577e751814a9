"""What the commands have in common that judge a whole region: options, report, exit status."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from model2_assets.config import Model2Config
from model2_assets.errors import ConfigError
from model2_assets.gate import (
    GateReport,
    GateSummary,
    RunResult,
    StoredPartition,
    look_at_partitions,
)
from model2_assets.storage import Store

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def gate_options(command: CommandT) -> CommandT:
    """Add ``--gate`` and ``--report-dir`` to a command."""
    for option in (
        click.option(
            "--report-dir",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Write the report there, else to gate/ below the base path; implies --gate.",
        ),
        click.option(
            "--gate",
            is_flag=True,
            help="Name each failed step, failed check and missing partition on one line, and "
            "write gate.xml (JUnit) and gate.json.",
        ),
    ):
        command = option(command)
    return command


def pass_judgement(
    report: GateReport,
    command: str,
    started: datetime,
    runs: Sequence[RunResult],
    config: Model2Config,
    store: Store,
    regions: Sequence[str],
) -> int:
    """Look at every partition, write the report and say what is wrong.

    Parameters
    ----------
    report : GateReport
        Where the verdict is written.
    command : str
        Such as ``retrain``.
    started : datetime
        When the command started, with time zone.
    runs : sequence of RunResult
        Every planned run.
    config : Model2Config
        Says which partitions there have to be.
    store : Store
        Where results are.
    regions : sequence of str
        Regions to look at.

    Returns
    -------
    int
        Exit status: 0 where all is well, else 1.

    Raises
    ------
    ConfigError
        If the report cannot be written; the verdict has been printed then.
    """
    summary = GateSummary(
        command=command,
        started=started,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        runs=tuple(runs),
        partitions=_partitions(config, store, regions),
    )
    try:
        report.write(summary)
        click.echo(f"report: {report.folder}", err=True)
    except OSError as error:
        problem = f"report folder {report.folder}: cannot be written ({error.strerror})"
        raise ConfigError("\n".join([problem, *summary.lines])) from error
    for line in summary.lines:
        click.echo(line, err=True)
    return summary.exit_status


def _partitions(
    config: Model2Config, store: Store, regions: Sequence[str]
) -> tuple[StoredPartition, ...]:
    from model2_assets.defs.assets import training_assets
    from model2_assets.defs.region import Region

    found: list[StoredPartition] = []
    for name in regions:
        horizons, models = config.region(name).labels.horizon_keys, config.models_of(name)
        found += look_at_partitions(
            store,
            name,
            [(horizon, model) for horizon in horizons for model in models],
            assets=training_assets(Region(name, config, store)),
        )
    return tuple(found)
