"""The table of results, from measurements made up."""

from typing import Any

import pytest

from benchmarks.evidence import Evidence
from benchmarks.record import Measurement, latest
from benchmarks.rows import GIB, Row, all_rows, predicted_peak_bytes


def _measured(program: str, size: str, seconds: float, **fields: Any) -> Measurement:
    plain: dict[str, Any] = {
        "seed": 0,
        "repeat": 0,
        "trees": 300,
        "wall_s": seconds + 2.0,
        "phases": {},
        "peak_bytes": GIB,
        "date": "2026-01-01",
    }
    return Measurement(program=program, size=size, seconds=seconds, **{**plain, **fields})


def _evidence(*measurements: Measurement) -> Evidence:
    return Evidence.of(latest(measurements), 300)


def _row(evidence: Evidence, start: str) -> Row:
    return next(row for row in all_rows(evidence) if row.measure.startswith(start))


def _ic(seed: int, *sums: float) -> dict[str, Any]:
    told = {"sums": list(sums), "dates": 100}
    return {"seed": seed, "quality": {"rank_ic": {"21d": told, "63d": told}}}


def test_a_median_of_repeats_is_compared_with_the_goal() -> None:
    times = enumerate((90.0, 80.0, 99.0))
    runs = [_measured("xgboost_default", "S", s, repeat=i) for i, s in times]
    row = _row(_evidence(*runs, _measured("xgboost_by_hand", "S", 126.0)), "XGBoost, default")
    assert (row.ours, row.ratio) == ("90 s (80 s to 99 s, n = 3)", "1.4 × faster")
    assert row.verdict == "**not met**"


def test_a_phase_of_the_job_stands_for_a_baseline() -> None:
    phases = {"features": 300.0, "ridge": 100.0, "xgboost": 1600.0}
    job = _measured("job_by_hand", "M", 2000.0, phases=phases)
    row = _row(_evidence(job, _measured("xgboost_default", "M", 160.0)), "XGBoost, default")
    assert (row.baseline, row.ratio, row.verdict) == ("1,600 s †", "10.0 × faster", "met")


def test_steps_that_the_script_has_as_well_are_compared_alone() -> None:
    phases = {"features": 10.0, "fitted_models xgboost": 20.0, "tear_sheet ridge": 70.0}
    facts = {"work_s": 100.0, "steps_s": 100.0, "work_parts_s": {}}
    ours = _measured("job_ours", "S", 100.0, phases=phases, facts=facts)
    script = _measured("job_by_hand", "S", 300.0, phases={"features": 1, "ridge": 1, "xgboost": 1})
    row = _row(_evidence(ours, script), "– steps whose results")
    assert (row.ours, row.baseline, row.ratio) == ("30 s", "300 s", "10.0 × faster")


def test_the_peak_at_l_lies_on_the_line_through_s_and_m() -> None:
    evidence = _evidence(
        _measured("job_ours", "S", 1.0, facts={"work_s": 1.0, "steps_s": 1.0, "work_parts_s": {}}),
        _measured(
            "job_ours",
            "M",
            1.0,
            peak_bytes=2 * GIB,
            facts={"work_s": 1.0, "steps_s": 1.0, "work_parts_s": {}},
        ),
    )
    # 0.625, 2.52 and 7.56 million bars.
    assert predicted_peak_bytes(evidence) == pytest.approx((2 + 5.04 / 1.895) * GIB)


def test_a_claim_on_rank_ics_needs_ten_markets() -> None:
    few, many = (
        [
            _measured(program, "S", 1.0, **_ic(seed, 3.0 * share, 2.0 * share))
            for seed in range(n)
            for program, share in (("xgboost_default", 0.99), ("xgboost_by_hand", 1.0))
        ]
        for n in (9, 10)
    )
    start = "– mean rank IC against the baseline's"
    assert _row(_evidence(*few), start).verdict == "not measured"
    row = _row(_evidence(*many), start)
    assert (row.ours, row.baseline) == ("+0.0495", "+0.0500")
    assert (row.ratio, row.verdict) == ("0.990, lower bound 0.990", "met")


def test_the_exact_profile_stands_for_the_baseline_where_its_trees_are_plain() -> None:
    def evidence(plain: str) -> Evidence:
        trees = {horizon: ["a", "b"] for horizon in ("21d", "63d")}
        return _evidence(
            _measured("plain_xgboost", "S", 1.0, facts={"trees": {"21d": ["a"], "63d": [plain]}}),
            *(
                _measured(program, "S", 1.0, facts={"trees": trees}, **_ic(seed, 1.0))
                for program in ("xgboost_default", "xgboost_exact")
                for seed in range(3)
            ),
        )

    found = evidence("a").ic_ratio("xgboost_default", "xgboost_by_hand", "S")
    assert found is not None
    assert found.n_seeds == 3
    assert evidence("b").ic_ratio("xgboost_default", "xgboost_by_hand", "S") is None


def test_measurements_of_another_machine_are_left_out() -> None:
    old = _measured("job_by_hand", "S", 9.0, machine="old", date="2025-01-01")
    new = _measured("ridge_ours", "S", 9.0, machine="new")
    assert [m.program for m in _evidence(old, new).measurements] == ["ridge_ours"]
