"""A signal ends a command between, before and within runs; real ones: `signals`."""

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest

from model2_assets.defs import stop
from model2_assets.defs.maintenance import IN_PROGRESS
from model2_assets.defs.retrain import PlannedRun, execute
from model2_assets.defs.stop import Stopped, deferred, stop_here, stopped
from model2_assets_tests.defs.small_region import real_instance


class Inbox:
    """Has the given signals at once."""

    is_deferring = False

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)

    def numbers(self) -> list[int]:
        return self._numbers


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what has a signal come, but no handler called."""
    return lambda number: monkeypatch.setattr(stop, "_inbox", Inbox(number))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_status_is_that_of_a_shell(
    signalled: Callable[[int], None], number: signal.Signals
) -> None:
    stop_here()  # no signal has come
    signalled(number)

    reason = stopped()

    assert reason is not None
    assert reason.status == 128 + number
    assert str(reason) == f"stopped by {number.name}"


def test_a_block_that_must_be_whole_ends_first(signalled: Callable[[int], None]) -> None:
    done = []

    def work() -> None:
        with deferred():
            signalled(signal.SIGTERM)
            done.append(1)

    with pytest.raises(Stopped):
        work()
    assert done == [1]


@pytest.mark.parametrize("taken_by_dagster", [True, False])
def test_the_run_at_hand_is_cancelled_and_none_after_it_starts(
    signalled: Callable[[int], None], tmp_path: Path, taken_by_dagster: bool
) -> None:
    @dg.op
    def work() -> int:
        signalled(signal.SIGTERM)
        if taken_by_dagster:
            raise dg.DagsterExecutionInterruptedError
        return 0

    @dg.op
    def more(_made: int) -> None:
        stop_here()

    @dg.job
    def us_training() -> None:
        more(work())

    with real_instance(tmp_path) as instance:
        with pytest.raises(Stopped):
            execute(us_training, instance, PlannedRun("us", "us_training"))
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.CANCELED
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        assert [event.step_key for event in events] == ["work" if taken_by_dagster else "more"]
        assert not instance.get_runs(filters=dg.RunsFilter(statuses=list(IN_PROGRESS)))


def test_a_run_that_succeeded_stays_so(signalled: Callable[[int], None], tmp_path: Path) -> None:
    @dg.op
    def work() -> None:
        signalled(signal.SIGINT)

    @dg.job
    def us_training() -> None:
        work()

    with real_instance(tmp_path) as instance:
        with suppress(Stopped):
            execute(us_training, instance, PlannedRun("us", "us_training"))
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
