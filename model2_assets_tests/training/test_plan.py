"""What a retrain will cost: numbers worked by hand, and what has to grow with what."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model2_assets.config import Partition
from model2_assets.training.plan import (
    UNSURE,
    Fits,
    Machines,
    Panel,
    possible_engines,
    seconds_of,
    step_costs,
    total_cost,
)
from model2_assets.training.resources import estimate_training_bytes

TREES, LINEAR = Partition("21d", "xgboost"), Partition("21d", "ridge")
FITS = (
    Fits(TREES, 5, False, True, 1.0, 1.6, 0.3),
    Fits(LINEAR, 5, True, True, 1.0, 0.0),
)
# A CPU second for every million rows, and for every 158 million values.
PER_ROW, PER_VALUE = ((1e6, 1.0), (2e6, 2.0)), ((158e6, 1.0), (316e6, 2.0))
OPERATIONS = ("features", "storing", "sums", "fit 21d|xgboost", "predict 21d|xgboost")
RATES = {"rows": PER_ROW, "predict 21d|ridge": PER_VALUE} | dict.fromkeys(OPERATIONS, PER_VALUE)
PANEL = Panel(4_000, 1_000, 158)  # 4 million rows, 2.528 GB
HERE = Machines(4, 100e9)


def engines(panel: Panel = PANEL, machines: Machines = HERE, fits: tuple[Fits, ...] = FITS):
    return {engine.name: engine for engine in possible_engines(panel, fits, machines)}


def steps(name: str, panel: Panel = PANEL, machines: Machines = HERE):
    costs = step_costs(panel, FITS, RATES, engines(panel, machines)[name])
    return {cost.step: cost for cost in costs}


class TestSecondsOf:
    def test_follows_the_line_through_both_sizes(self) -> None:
        expected, least, most = seconds_of(((10, 3.0), (20, 4.0)), 100)
        assert expected == pytest.approx(4.0 + 0.1 * 80)
        assert least == pytest.approx(0.1 * 100 / UNSURE)
        assert most == pytest.approx(12.0 * UNSURE)

    def test_what_grows_faster_than_its_units_is_expected_to_go_on_as_the_larger_one(self) -> None:
        expected, _, most = seconds_of(((10, 1.0), (20, 4.0)), 100)
        assert expected == pytest.approx(20.0)
        assert most == pytest.approx(30.0 * UNSURE)

    @given(
        y0=st.floats(0.001, 10), y1=st.floats(0.001, 10), units=st.tuples(*[st.floats(0, 1e6)] * 2)
    )
    def test_is_within_its_range_and_never_falls(self, y0, y1, units) -> None:
        less, more = (seconds_of(((10, y0), (30, y1)), n) for n in sorted(units))
        assert all(a <= b + 1e-9 for a, b in zip(less, more, strict=True))
        for expected, least, most in (less, more):
            assert 0 <= least <= expected + 1e-9 <= most + 2e-9


class TestSteps:
    def test_seconds_on_four_cores(self) -> None:
        found = {name: cost.seconds[0] for name, cost in steps("in memory").items()}
        assert found == pytest.approx(
            {
                "market data, labels, splits": 3 * 4.0,
                # 1.3 in the step and 0.5 for one horizon on four cores; storing on one
                "features": 1.8 * 4.0 / 4 + 1.3 * 4.0,
                # 5 splits, one again, a final model; 1 + 2 passes
                "fits": 7 * 4.0 / 4 + 3 * 4.0 / 4,
                "predictions": 2 * 3 * 4.0 / 4,
                "scores, checks, reports": 2 * 3 * 4.0 + 10 + 2 * 4,
            }
        )

    def test_bytes(self) -> None:
        cost = steps("in memory")["features"]
        matrix, bits = 4 * 4e6 * 158, 12.965784  # log2(8000)
        assert cost.disk == pytest.approx(matrix * (1 + bits / 32))
        assert cost.memory == pytest.approx(estimate_training_bytes((4_000_000, 158), 1, 0))
        assert cost.network == 0
        cluster = replace(HERE, n_workers=2, worker_cores=3, worker_memory=1e12)
        found = steps("Dask, collective", machines=cluster)
        assert found["features"].network == pytest.approx(4e6 * 44 + matrix * (2 + bits / 32))
        assert found["fits"].network == pytest.approx(matrix * bits / 32)
        found = steps("Dask, fold by fold", machines=cluster)
        assert found["fits"].network == pytest.approx(2 * matrix * bits / 32)
        # Five folds at once on six threads, a core each.
        assert found["fits"].seconds[0] == pytest.approx(7 * 4.0 / 5 + 3 * 4.0 / 6)
        # Three of them on one of the workers, by row and for 1.6 bytes of a value.
        alone = 4e8 + 4e6 * 300 + 4e6 * 158 * 1.6
        assert found["fits"].worker_memory == pytest.approx(3 * alone)

    def test_the_total_adds_up_and_takes_the_largest_peak(self) -> None:
        costs = list(steps("in memory").values())
        total = total_cost(costs)
        assert total.seconds[0] == pytest.approx(sum(cost.seconds[0] for cost in costs))
        # Four fits at once take more than the features while these are published.
        assert total.memory == estimate_training_bytes((4_000_000, 158), 4, 1.6)

    @given(st.integers(2, 20_000), st.integers(50, 9_000), st.integers(1, 500), st.integers(0, 40))
    def test_more_of_anything_never_costs_less(self, instruments, dates, features, workers) -> None:
        machines = replace(HERE, n_workers=workers, worker_memory=32e9)
        panel = Panel(instruments, dates, features)
        larger = (
            Panel(instruments + 100, dates, features),
            Panel(instruments, dates + 100, features),
            Panel(instruments, dates, features + 10),
        )
        for name in engines(panel, machines):
            now = total_cost(list(steps(name, panel, machines).values()))
            for other in larger:
                more = total_cost(list(steps(name, other, machines).values()))
                assert now.seconds[0] <= more.seconds[0] + 1e-9
                assert now.disk <= more.disk
                assert now.network <= more.network
                if name != "in memory":  # fewer fits at once take less
                    assert now.memory <= more.memory


class TestEngines:
    def test_as_many_fits_at_once_as_memory_allows(self) -> None:
        three = estimate_training_bytes((4_000_000, 158), 3, 1.6)
        one = estimate_training_bytes((4_000_000, 158), 1, 1.6)
        assert engines(machines=Machines(8, 100e9))["in memory"].n_at_once == 5
        assert engines(machines=Machines(8, three))["in memory"].n_at_once == 3
        assert not engines(machines=Machines(8, one))["in memory"].lacks

    def test_says_what_is_missing(self) -> None:
        found = engines(machines=Machines(8, 4e9))
        assert found["in memory"].lacks == "5.1 GB here, where 4.0 may be used"
        assert not found["in external memory"].lacks  # 0.7 + 2.4 GB, by row

    def test_what_no_fold_fits_several_workers_do_together(self) -> None:
        world = Panel(50_000, 7_560, 158)
        cluster = Machines(8, 300e9, 20, 4, 24e9)
        found = engines(world, cluster)
        assert "for each thread of a worker" in found["Dask, fold by fold"].lacks
        assert not found["Dask, collective"].lacks
        learned = (replace(FITS[0], is_distributed=False), FITS[1])
        assert found["Dask, collective"].fit_cores == 80
        lacks = engines(world, cluster, learned)["Dask, collective"].lacks
        assert lacks == "models that several workers can fit together, not 21d|xgboost"
