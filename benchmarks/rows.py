"""The rows of the table of results: what was wanted, and what was measured."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.evidence import Evidence, Timing
from benchmarks.inputs import HORIZONS
from benchmarks.sizes import SIZES

GIB = 2**30
IC_SEEDS = 10
"""Markets that a claim on rank ICs needs."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    measure, size : str
        What was measured, and at which size.
    ours, baseline, ratio, peak : str
        As shown.
    goal : str
        What is wanted; empty where nothing is.
    met : bool or None
        Whether it is; None where it was not measured or nothing is wanted.
    """

    measure: str
    size: str
    ours: str = ""
    baseline: str = ""
    ratio: str = ""
    peak: str = ""
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.goal:
            return ""
        return {True: "met", False: "**not met**", None: "not measured"}[self.met]


def all_rows(evidence: Evidence) -> list[Row]:
    """Return every row for every size measured.

    Parameters
    ----------
    evidence : Evidence
        The measurements.

    Returns
    -------
    list of Row
        In the order of the goals.
    """
    families = (_ridge, _alphas, _exact, _default, _fast, _job, _features, _equal_features, _peaks)
    rows = [row for family in families for size in evidence.sizes for row in family(evidence, size)]
    return [
        *rows,
        *_large(evidence),
        *(row for size in evidence.sizes for row in _overhead(evidence, size)),
        *(row for size in evidence.sizes for row in _imports(evidence, size)),
    ]


def _faster(
    evidence: Evidence, size: str, measure: str, ours: str, baseline: str, at_least: float | None
) -> Iterator[Row]:
    """Compare two programs' times; yields nothing where there is no goal and one is missing."""
    a, b = evidence.timing(ours, size), evidence.timing(baseline, size)
    if (a is None and b is None) or (at_least is None and (a is None or b is None)):
        return
    ratio = b.median / a.median if a and b else None
    yield Row(
        measure=measure,
        size=size,
        ours=str(a or ""),
        baseline=str(b or ""),
        ratio=f"{ratio:.1f} × faster" if ratio else "",
        peak=_peaks_of(a, b),
        goal=f"≥ {at_least:g} ×" if at_least else "",
        met=ratio >= at_least if ratio and at_least else None,
    )


def _peaks_of(a: Timing | None, b: Timing | None) -> str:
    shown = [f"{t.peak_bytes / GIB:.2f} GiB" if t and t.peak_bytes else "–" for t in (a, b)]
    return " / ".join(shown)


def _ridge(evidence: Evidence, size: str) -> Iterator[Row]:
    is_goal = size == "M"
    name = "Ridge, 5 folds × 2 horizons, against a pipeline per fold"
    yield from _faster(
        evidence, size, name, "ridge_ours", "ridge_by_hand", 25.0 if is_goal else None
    )
    yield from _faster(
        evidence,
        size,
        "– against the same pipeline in float32",
        "ridge_ours",
        "ridge_by_hand_float32",
        None,
    )
    a, b = evidence.timing("ridge_ours", size), evidence.timing("ridge_by_hand", size)
    if a and b and a.peak_bytes and b.peak_bytes:
        share = a.peak_bytes / b.peak_bytes
        yield Row(
            "– peak memory against the pipeline's",
            size,
            ratio=f"{share:.2f} of it",
            peak=_peaks_of(a, b),
            goal="≤ 1/3" if is_goal else "",
            met=share <= 1 / 3 if is_goal else None,
        )
    told = evidence.versus("ridge_ours", "ridge_by_hand", size)
    if told:
        largest = max(told[horizon]["largest_difference_sd"] for horizon in HORIZONS)
        yield Row(
            "– largest difference of predictions to scikit-learn in float64",
            size,
            ours=f"{largest:.1e} sd",
            goal="≤ 1e-6 sd",
            met=largest <= 1e-6,
        )


def _alphas(evidence: Evidence, size: str) -> Iterator[Row]:
    a, b = evidence.timing("ridge_alphas", size), evidence.timing("ridge_ours", size)
    if a and b:
        times = a.median / b.median
        yield Row(
            "Ridge, CPCV(6, 2), 20 alphas by inner folds, against our 5 folds with one",
            size,
            ours=str(a),
            baseline=str(b),
            ratio=f"{times:.2f} × the time",
            peak=_peaks_of(a, b),
            goal="≤ 2 ×",
            met=times <= 2.0,
        )


def _exact(evidence: Evidence, size: str) -> Iterator[Row]:
    name = "XGBoost, exact profile, 5 folds × 2 horizons"
    yield from _faster(evidence, size, name, "xgboost_exact", "xgboost_by_hand", None)
    for other, text in (
        ("plain_xgboost", "plain `xgboost.train`"),
        ("xgboost_by_hand", "`XGBRegressor`"),
    ):
        equal = evidence.trees_equal("xgboost_exact", other, size)
        if equal:
            yield Row(
                f"– models whose trees are those of {text} to the bit",
                size,
                ours=f"{equal[0]} of {equal[1]}",
                goal="all" if other == "plain_xgboost" else "",
                met=equal[0] == equal[1],
            )


def _default(evidence: Evidence, size: str) -> Iterator[Row]:
    name = "XGBoost, default profile, same hyper-parameters otherwise"
    yield from _faster(evidence, size, name, "xgboost_default", "xgboost_by_hand", 8.0)
    yield from _rank_ic(evidence, size, "xgboost_default", is_goal=True)


def _fast(evidence: Evidence, size: str) -> Iterator[Row]:
    name = "XGBoost, fast profile"
    yield from _faster(evidence, size, name, "xgboost_fast", "xgboost_by_hand", None)
    yield from _rank_ic(evidence, size, "xgboost_fast", is_goal=False)


def _rank_ic(evidence: Evidence, size: str, ours: str, *, is_goal: bool) -> Iterator[Row]:
    found = evidence.ic_ratio(ours, "xgboost_by_hand", size)
    if found is None:
        return
    enough = found.n_seeds >= IC_SEEDS
    markets = "1 market" if found.n_seeds == 1 else f"{found.n_seeds} markets"
    yield Row(
        f"– mean rank IC against the baseline's, {markets}",
        size,
        ours=f"{found.ours:+.4f}",
        baseline=f"{found.baseline:+.4f}",
        ratio=f"{found.ratio:.3f}, lower bound {found.lower:.3f}",
        goal="≥ 0.98, bound ≥ 0.95, 10 markets" if is_goal and size != "M" else "",
        met=found.ratio >= 0.98 and found.lower >= 0.95 if enough else None,
    )
    told = evidence.versus(ours, "xgboost_by_hand", size)
    if told:
        values = ", ".join(
            f"{told[horizon]['correlation']:.3f} ({horizon})" for horizon in HORIZONS
        )
        yield Row("– correlation of out-of-fold predictions with the baseline's", size, values)


def _job(evidence: Evidence, size: str) -> Iterator[Row]:
    name = "Whole job, `model2 retrain`, against a hand-written script"
    yield from _faster(
        evidence, size, name, "job_ours", "job_by_hand", 6.0 if size == "M" else None
    )
    yield from _same_results(evidence, size)
    name = "– with the exact profile"
    if evidence.timing("job_exact", size):
        yield from _faster(evidence, size, name, "job_exact", "job_by_hand", None)


_OF_THE_SCRIPT = (
    "market_data",
    "labels",
    "features",
    "cv_splits",
    "fitted_models",
    "oof_predictions",
    "feature_importance",
    "cv_scores",
)
"""Assets that hold what the hand-written script makes."""


def _same_results(evidence: Evidence, size: str) -> Iterator[Row]:
    """Compare the script with the steps whose results it has as well."""
    runs, script = evidence.runs("job_ours", size), evidence.timing("job_by_hand", size)
    if not runs or script is None:
        return
    seconds = statistics.median(
        sum(s for phase, s in run.phases.items() if phase.split()[0] in _OF_THE_SCRIPT)
        for run in runs
    )
    ratio, goal = script.median / seconds, {"S": 8.0, "M": 10.0}.get(size)
    yield Row(
        "– steps whose results the script has as well, with the checks within them",
        size,
        ours=f"{seconds:.3g} s",
        baseline=str(script),
        ratio=f"{ratio:.1f} × faster",
        goal=f"≥ {goal:g} ×" if goal else "",
        met=ratio >= goal if goal else None,
    )


def _features(evidence: Evidence, size: str) -> Iterator[Row]:
    for baseline, text, goal in (
        ("features_by_qlib", "Qlib's engine", 20.0),
        ("features_by_rolling", "pandas groupby-rolling", 10.0),
    ):
        name = f"158 features and their ranks, against {text}"
        yield from _faster(evidence, size, name, "features_ours", baseline, goal)
        yield from _unranked(evidence, size, baseline, text)


def _unranked(evidence: Evidence, size: str, baseline: str, text: str) -> Iterator[Row]:
    seconds = []
    for program in ("features_ours", baseline):
        found = [m.phases["values"] for m in evidence.runs(program, size)]
        if not found:
            return
        seconds.append(sorted(found)[len(found) // 2])
    yield Row(
        f"– without reading and ranks, against {text}",
        size,
        ours=f"{seconds[0]:.3g} s",
        baseline=f"{seconds[1]:.3g} s",
        ratio=f"{seconds[1] / seconds[0]:.1f} × faster",
    )


def _equal_features(evidence: Evidence, size: str) -> Iterator[Row]:
    told = evidence.versus("clean_ours", "clean_by_qlib", size)
    if told:
        largest = told["largest_difference_sd"]
        yield Row(
            f"– largest difference to Qlib's values on clean data, of {told['features']} features",
            size,
            ours=f"{largest:.1e} sd ({told['worst_feature']})",
            goal="≤ 1e-3 sd",
            met=largest <= 1e-3 and not told["missing_on_one_side"],
        )


def _peaks(evidence: Evidence, size: str) -> Iterator[Row]:
    found = evidence.timing("job_ours", size)
    if found and found.peak_bytes:
        limit = {"M": 4, "L": 10}.get(size)
        yield Row(
            "Peak memory of the whole job",
            size,
            peak=f"{found.peak_bytes / GIB:.2f} GiB",
            goal=f"≤ {limit} GiB" if limit else "",
            met=found.peak_bytes <= limit * GIB if limit else None,
        )


def _large(evidence: Evidence) -> Iterator[Row]:
    predicted = predicted_peak_bytes(evidence)
    yield Row(
        "Peak memory of the whole job, predicted by a line through S and M",
        "L",
        peak=f"{predicted / GIB:.1f} GiB" if predicted else "",
        goal="≤ 10 GiB",
        met=predicted <= 10 * GIB if predicted else None,
    )
    for program, text, limit_s, goal in (
        ("ridge_ours", "Ridge, 5 folds × 2 horizons", 120.0, "< 2 min"),
        ("job_ours", "Whole job, default profile", 3600.0, "< 60 min"),
    ):
        found = evidence.timing(program, "L")
        yield Row(
            f"{text}, time",
            "L",
            ours=str(found or ""),
            peak=_peaks_of(found, None) if found else "",
            goal=goal,
            met=found.median < limit_s if found else None,
        )


def predicted_peak_bytes(evidence: Evidence) -> float | None:
    """Return the peak at L by a line through S and M in rows times features."""
    peaks = [evidence.timing("job_ours", size) for size in ("S", "M")]
    if peaks[0] is None or peaks[1] is None:
        return None
    small, medium = (float(peak.peak_bytes or 0) for peak in peaks if peak)
    x_small, x_medium, x_large = (SIZES[size].values for size in ("S", "M", "L"))
    return medium + (medium - small) / (x_medium - x_small) * (x_large - x_medium)


def _overhead(evidence: Evidence, size: str) -> Iterator[Row]:
    runs = evidence.runs("job_ours", size)
    if not runs:
        return
    m = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    work: float = m.facts["work_s"]
    overhead = m.seconds - work
    goal, met = {
        "S": ("≤ 20 s", overhead <= 20.0),
        "M": ("≤ 15%", overhead <= 0.15 * m.seconds),
    }.get(size, ("", None))
    yield Row(
        "Graph overhead: wall time of `model2 retrain` less the work of its steps",
        size,
        ours=f"{m.seconds:.1f} s less {work:.1f} s",
        ratio=f"{overhead:.1f} s, {overhead / m.seconds:.0%}",
        goal=goal,
        met=met,
    )
    between = m.seconds - m.facts["steps_s"]
    parts = {name.removesuffix("_seconds"): s for name, s in m.facts["work_parts_s"].items()}
    parts = {"body" if name == "seconds" else name: s for name, s in parts.items()}
    yield Row(
        "– of which before, between and after steps (imports, runs, scores)",
        size,
        ours=f"{between:.1f} s",
        ratio="work: " + ", ".join(f"{name} {s:.3g} s" for name, s in parts.items()),
    )


def _imports(evidence: Evidence, size: str) -> Iterator[Row]:
    for m in evidence.runs("import_time", size)[-1:]:
        ratio = m.phases["definitions"] / m.phases["dagster"]
        yield Row(
            "Import of `model2_assets.definitions`, against `dagster`",
            "",
            ours=f"{m.phases['definitions']:.2f} s",
            baseline=f"{m.phases['dagster']:.2f} s",
            ratio=f"{ratio:.2f} × the time",
            goal="≤ 1.5 ×",
            met=ratio <= 1.5,
        )
