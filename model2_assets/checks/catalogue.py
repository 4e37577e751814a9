"""Every check, once: its name, what it promises, how severe its failure is, when it is evaluated.

Predicates are methods of the same name of an asset's subject, such as `OutOfFoldChecks`: a result
and the evidence that it is held against. So a new check is an entry here and a method there.
Nothing heavy is imported here: Dagster shows the promises in every process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Formatter
from typing import Any, Literal

from model2_assets.config import Model2Config
from model2_assets.storage import PRODUCTS

Severity = Literal["error", "warn"]
Values = Mapping[str, bool | int | float | str]
When = Literal["before", "both", "stored"]


@dataclass(frozen=True)
class Finding:
    """What the predicate of a check found; its name and level are in the catalogue.

    Attributes
    ----------
    passed : bool
        Whether it holds.
    description : str
        One sentence with the figures; names the culprit where it failed.
    values : mapping of str to bool, int, float or str
        The figures behind the verdict; units are in their names.
    only_warns : bool
        Whether this failure warns, though failures of the check are errors otherwise.
    """

    passed: bool
    description: str
    values: Values = field(default_factory=dict)
    only_warns: bool = False

    @classmethod
    def of(
        cls, problems: Sequence[str], holds: str, values: Values, *, remedy: str = ""
    ) -> "Finding":
        """Return one that names the problems and what mends them; without any, it passes."""
        if not problems:
            return cls(True, holds, values)
        return cls(False, "; ".join([*problems, remedy] if remedy else problems), values)


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found: its `Finding`, by the check's name.

    Attributes
    ----------
    name : str
        Name of the check.
    passed, description, values : bool, str, mapping
        As found.
    severity : {"error", "warn"}
        ``error``: a fault, which a gate does not let pass. ``warn``: a warning.
    rejects : bool
        Whether a failure of severity ``error`` keeps the candidate from being published.
    """

    name: str
    passed: bool
    description: str
    severity: Severity = "error"
    rejects: bool = True
    values: Values = field(default_factory=dict)


def failed_errors(outcomes: Iterable[CheckOutcome]) -> tuple[CheckOutcome, ...]:
    """Return the failed outcomes of severity ``error``."""
    return tuple(each for each in outcomes if not each.passed and each.severity == "error")


def rejections(outcomes: Iterable[CheckOutcome]) -> tuple[CheckOutcome, ...]:
    """Return the failed outcomes that forbid publication."""
    return tuple(each for each in failed_errors(outcomes) if each.rejects)


@dataclass(frozen=True)
class Check:
    """A check of an asset.

    Attributes
    ----------
    promise : str
        One sentence on what holds where it passes; settings in braces are filled in by
        `checks_of`.
    level : {"error", "warn"}
        Severity of its failure.
    when : {"before", "both", "stored"}
        Whether it looks at a candidate before it is published, at what is on disk, or at both.
    rejects : bool
        Whether its failure at level ``error`` keeps a candidate from being published.
    name : str
        Its name, and that of its predicate.
    """

    promise: str
    level: Severity = "error"
    when: When = "both"
    rejects: bool = True
    name: str = ""

    @property
    def blocking(self) -> bool:
        """Whether its failure stops what follows."""
        return self.level == "error" and self.rejects

    def outcome(self, finding: Finding) -> CheckOutcome:
        """Return what its predicate found, by its name and at its level."""
        return CheckOutcome(
            self.name,
            passed=finding.passed,
            description=finding.description,
            severity="warn" if finding.only_warns else self.level,
            rejects=self.rejects,
            values=finding.values,
        )


STORED = Check(
    "What is on disk can be read, keeps its contract, was made from what lies beside it, and still "
    "passes every check that needs no refit.",
    when="stored",
    name="stored",
)
"""The one verdict on an asset of all that can be evaluated on what is on disk."""

REPRODUCED = Check(
    "The fold models on disk predict, to the bit, what is stored; a run that makes the predictions "
    "asks the models before it publishes (`repeatable`), and here reads back.",
    when="stored",
    name="stored_models_reproduce_oof",
)

_CONTRACT = Check("Names, types, ranges, key and order of {contract}.", when="before")
_FINITE = Check("Every prediction is a finite number.")
_RANGE = Check("Within ±{checks.prediction_bps:g} bps, without any clipping.")
_REPORT = {
    "complete": Check("Every section, table and chart is there, once.", when="before"),
    "self_contained": Check(
        "The file opens offline: it fetches nothing and runs nothing.", when="before"
    ),
    "size": Check("The file stays below 5 MB.", when="before"),
}


def _named(**checks: Check) -> tuple[Check, ...]:
    return tuple(replace(check, name=name) for name, check in checks.items())


CATALOGUE: Mapping[str, tuple[Check, ...]] = {
    "market_data": _named(
        contract=_CONTRACT,
        fresh=Check(
            "The last session is {age} Mondays to Fridays old (`market_data.max_age_weekdays`)."
        ),
        history_unchanged=Check(
            "Past closes are those of the last run, none vanished, none was inserted; a split, one "
            "factor for all past closes of an instrument, is named and allowed, and so are "
            "adjusted closes that were adjusted anew.",
            level="warn",
            when="before",
        ),
    ),
    "labels": _named(
        contract=_CONTRACT,
        consistent=Check(
            "Every horizon, rows of the universe only, a label end exactly where there is a label, "
            "no earlier than the bar at which the position ends (with `labels.builder`: than the "
            "bar of its entry), none after the last market data, and a finite forward return there."
        ),
        label_end_control=Check(
            "Rebuilt on market data that end at each of {checks.lookahead_control_dates} sampled "
            "dates, chosen where it can show, labels that had ended (without `labels.builder`: "
            "those whose window may reach it) are the same within 1e-6 bps (ours to the bit), so "
            "they use nothing after their label end."
        ),
    ),
    "features": _named(
        contract=_CONTRACT,
        consistent=Check(
            "At least one feature and row, rows of the universe only, nothing infinite."
        ),
        lookahead_control=Check(
            "Recomputed on history that ends at each of {checks.lookahead_control_dates} sampled "
            "dates, features of these dates (with `features.builder`: of all before too) are the "
            "same to the bit, so they use nothing that comes later."
        ),
    ),
    "cv_splits": _named(
        contract=_CONTRACT,
        no_label_overlap=Check(
            "No train row's label interval touches a test row's; counted from the labels by an "
            "interval sweep, not by the splitter. Purged per horizon, the intervals are those of "
            "the horizon's own labels."
        ),
        embargo_kept=Check(
            "No row trains within {cross_validation.embargo_days} dates "
            "(`cross_validation.embargo_days`) after the latest label end of a test block, "
            "whichever splitter made the splits; counted in the same sweep."
        ),
        minimum_samples=Check(
            "At least {cross_validation.min_samples} labelled rows in train and test of every "
            "split, for every horizon."
        ),
    ),
    "fitted_models": _named(complete=Check("A fitted model for every split.")),
    "oof_predictions": _named(
        contract=_CONTRACT,
        coverage=Check(
            "Every row with features and a label, exactly once; under a walk-forward or a splitter "
            "of your own, every such row that is tested."
        ),
        finite=_FINITE,
        range=_RANGE,
        determinism=Check(
            "Refitting the model of one split from the stored inputs gives the same predictions.",
            when="before",
        ),
        repeatable=Check(
            "The stored fold models, read and asked once more, predict the same to the bit.",
            when="before",
        ),
        rank_ic_plausible=Check(
            "The mean rank IC, on realized returns, is not above {checks.rank_ic_warn:g}, where a "
            "leak is suspected.",
            level="warn",
        ),
        oof_drift=Check(
            "Rows that were predicted before are predicted alike: mean per-date rank correlation "
            "of at least {checks.oof_drift_rank_correlation:g}, differences of at most "
            "{checks.oof_drift_bps:g} bps.",
            level="warn",
            when="before",
        ),
    ),
    "oof_paths": _named(
        contract=_CONTRACT,
        finite=_FINITE,
        range=_RANGE,
        predictions_per_row=Check("Every row has one prediction on every path."),
        paths_complete=Check(
            "Every path has every row once, from the split that the splitter puts there."
        ),
        mean_is_oof=Check(
            "The mean of a row's predictions is what oof_predictions holds, to the bit."
        ),
    ),
    "nested_oof": _named(
        contract=_CONTRACT,
        finite=_FINITE,
        range=_RANGE,
        nested_coverage=Check("Every train row of every outer fold, exactly once."),
        no_label_overlap=Check(
            "No train row of a nested model has a label interval that touches one of the two folds "
            "it leaves out; counted from the labels by an interval sweep."
        ),
        embargo_kept=Check(
            "No row trains a nested model within {cross_validation.embargo_days} dates after the "
            "latest label end of the folds that it leaves out."
        ),
    ),
    "feature_importance": _named(
        contract=_CONTRACT,
        every_feature=Check("A row for every feature that the models were given."),
        feature_ic=Check(
            "No feature alone has an absolute rank IC above {checks.feature_ic_warn:g}, or more "
            "than twice that of the best feature whose rank correlation with it is below 0.9, with "
            "a t-statistic as rare as five standard errors: of such a one a leak is suspected.",
            level="warn",
        ),
    ),
    "cv_scores": _named(
        contract=_CONTRACT,
        scores_current=Check("Every score is that of the stored predictions.", when="stored"),
    ),
    "final_models": _named(
        complete=Check(
            "One model, trained on every row with features and a label; the rows are found once "
            "more by a join of the two tables."
        ),
    ),
    "live_predictions": _named(
        contract=_CONTRACT,
        coverage=Check(
            "Every live row once and no other; they are found once more from the labels and the "
            "exit date of every row."
        ),
        newest_date=Check("The last date of the market data is predicted."),
        finite=_FINITE,
        range=_RANGE,
        resembles_oof=Check(
            "The population stability index against out-of-fold predictions is not above "
            "{checks.psi_warn:g}, or not above 95% of these predictions' own stretches of as many "
            "dates.",
            level="warn",
        ),
    ),
    "tear_sheet": _named(**_REPORT),
    "leaderboard": _named(
        contract=_CONTRACT,
        board_current=Check("It shows the stored predictions.", level="warn", when="stored"),
        scores_complete=Check(
            "Every fold and split of every partition that is there has its scores."
        ),
        same_inputs=Check(
            "All partitions were made from the same labels, features and splits.", level="warn"
        ),
        rank_ic_held=Check(
            "No rank IC fell by more than its standard error since the leaderboard before.",
            level="warn",
            when="before",
        ),
        partitions_current=Check(
            "No partition is missing, or made from what has changed since.",
            level="warn",
            when="before",
        ),
        within_budget=Check(
            "All steps together take less than {checks.hours:g} hours, none more than "
            "{checks.rss_gb:g} GB of memory, and all fold models together less than "
            "{checks.models_mb:g} MB; 80% of any of these warns. What is beyond is published all "
            "the same: a dear result is still right.",
            rejects=False,
        ),
    ),
    "stacking_frame": _named(
        contract=_CONTRACT,
        complete=Check(
            "Every prediction and every label is in its own row, each row once; compared by "
            "position and by a table of dates and instruments, not by the join's keys."
        ),
        same_inputs=Check("All columns were made from the labels, features and splits at hand."),
        columns=Check("Every model and horizon has its column.", level="warn"),
        side_by_side=Check(
            "Columns of all horizons may be stacked side by side: splits are purged with the "
            "longest label of a row.",
            level="warn",
        ),
    ),
    "region_report": _named(**_REPORT),
}
"""The checks of every asset, in the order in which they are evaluated and shown."""


def checks_of(asset: str, config: Model2Config, region: str) -> tuple[Check, ...]:
    """Return the checks that a candidate has to pass.

    Parameters
    ----------
    asset : str
        Such as ``oof_predictions``.
    config : Model2Config
        The configuration.
    region : str
        Name of the region.

    Returns
    -------
    tuple of Check
        In order; their promises state the region's own limits.
    """
    settings = config.region(region)
    oldest = settings.market_data.max_age_weekdays
    limits: dict[str, Any] = {
        "age": "any number of" if oldest is None else f"at most {oldest}",
        "checks": config.checks,
        "contract": PRODUCTS[asset].contract,
        "cross_validation": settings.cross_validation,
    }
    return tuple(
        replace(check, promise=check.promise.format(**limits))
        for check in CATALOGUE[asset]
        if check.when != "stored"
    )


def limits_of(asset: str, config: Model2Config) -> dict[str, Any]:
    """Return the settings ``checks.*`` that an asset's promises state, by their keys."""
    fields = [f for c in CATALOGUE[asset] for _, f, _, _ in Formatter().parse(c.promise) if f]
    keys = [field.removeprefix("checks.") for field in fields if field.startswith("checks.")]
    return config.checks.model_dump(include=set(keys))


def evaluate(asset: str, subject: object, *, stored: bool = False) -> Iterator[CheckOutcome]:
    """Evaluate the checks of an asset in the order of the catalogue.

    Parameters
    ----------
    asset : str
        Such as ``oof_predictions``.
    subject : object
        What they look at: a method for each check, by name, that returns a `Finding`.
    stored : bool, default False
        Whether it was built from what is on disk, where some checks cannot be evaluated and
        others are added.

    Yields
    ------
    CheckOutcome
        One for each check.
    """
    left_out = "before" if stored else "stored"
    for check in CATALOGUE[asset]:
        if check.when != left_out:
            names = [PRODUCTS[asset].contract] if check.name == "contract" else []
            yield check.outcome(getattr(subject, check.name)(*names))
