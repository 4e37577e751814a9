"""Many retrains by the real command, all in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from model2_assets_tests.long_run.figures import Figures, take_figures
from model2_assets_tests.long_run.region import GrowingRegion

NEVER = "0 0 29 2 *"


def retrain_often(
    region: GrowingRegion, retrains: int, *, pictures: bool = True, keep_versions: int = 5
) -> Iterator[Figures]:
    """Add a day and run ``model2 retrain``, many times over.

    Yields
    ------
    Figures
        After each retrain.
    """
    region.prepare(cron=NEVER, pictures=pictures, keep_versions=keep_versions)
    with _environment(region.environment):
        for number in range(retrains):
            region.add_a_day(number)
            _run_the_command()
            yield take_figures(os.getpid(), region.folders)


def _run_the_command() -> None:
    from model2_assets.cli.main import main

    try:
        main.main(args=["retrain", "--force"], prog_name="model2", standalone_mode=False)
    except SystemExit as ended:
        if ended.code:
            raise AssertionError(f"model2 retrain ended with status {ended.code}") from ended


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, those of temporary files too, and set them back."""
    import tempfile

    before = dict(os.environ)
    os.environ.update(variables)
    tempfile.tempdir = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None
