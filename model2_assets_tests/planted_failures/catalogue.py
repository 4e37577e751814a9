"""One table: for every check that keeps a candidate from being published, how it is made to fail.

By real means where there are any: a setting, a builder, a splitter or a trainer that a team
might bring along. Else the candidate is spoiled on its way from the core to its checks, which
then find it by themselves; only what the core cannot get wrong, such as a join, needs that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model2_assets.storage import PRODUCTS
from model2_assets_tests.planted_failures import spoiling as s

HERE = "model2_assets_tests.planted_failures.plugged_in"
TEAMS = "model2_assets_tests.defs.plugged_in"


@dataclass(frozen=True)
class Case:
    """A planted failure.

    Attributes
    ----------
    asset, check : str
        What fails.
    settings : mapping
        Sections of the region's configuration that make it fail.
    trainer : str
        Trainer, of the team's own, that makes it fail.
    maker : str
        Function of the core, ``package:name``, whose result is spoiled.
    spoil : callable or None
        How; see `spoiling`.
    start : str
        Asset at which a run has to begin for the failure to arise.
    """

    asset: str
    check: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    trainer: str = ""
    maker: str = ""
    spoil: s.Spoil | None = None
    start: str = ""

    @property
    def name(self) -> str:
        """Name of the case, and of the region or model that it is planted in."""
        return f"{self.asset}_{self.check}"

    @property
    def means(self) -> str:
        """How it is planted, in a word."""
        if self.trainer:
            return "trainer"
        return "candidate spoiled" if self.spoil else "settings"

    @property
    def first_asset(self) -> str:
        """Asset at which a run has to begin."""
        return self.start or ("fitted_models" if self.trainer else self.asset)


def _spoiled(maker: str, asset: str, **checks: s.Spoil) -> list[Case]:
    return [
        Case(asset, check, maker=f"model2_assets.{maker}", spoil=spoil)
        for check, spoil in checks.items()
    ]


def _set(asset: str, check: str, **settings: Any) -> Case:
    return Case(asset, check, settings=settings)


CASES: tuple[Case, ...] = (
    *_spoiled(
        "market_data:load_market_data", "market_data", contract=s.part("panel", s.with_a_stranger)
    ),
    _set("market_data", "fresh", market_data={"max_age_weekdays": 0}),
    *_spoiled("labels:make_labels", "labels", contract=s.table(s.with_a_stranger)),
    _set("labels", "consistent", labels={"builder": f"{HERE}:endless_labels"}),
    _set(
        "labels",
        "label_end_control",
        labels={"builder": "model2_assets_tests.checks.label_builders:five_bars_past_the_end"},
    ),
    *_spoiled("features.build:make_features", "features", contract=s.table(s.with_a_stranger)),
    _set("features", "consistent", features={"builder": f"{HERE}:infinite_features"}),
    _set("features", "lookahead_control", features={"builder": f"{TEAMS}:leaking_features"}),
    *_spoiled("cross_validation:build_cv_splits", "cv_splits", contract=s.table(s.with_a_stranger)),
    _set(
        "cv_splits",
        "no_label_overlap",
        cross_validation={
            "splitter": f"{TEAMS}:DateFolds",
            "params": {"gap": 0},
            "nested": False,
        },
    ),
    _set(
        "cv_splits",
        "embargo_kept",
        cross_validation={
            "splitter": f"{TEAMS}:DateFolds",
            "params": {"gap": 6},
            "nested": False,
        },
    ),
    _set("cv_splits", "minimum_samples", cross_validation={"min_samples": 100_000}),
    *_spoiled(
        "training:fit_models", "fitted_models", complete=s.part("models", s.without_the_last_model)
    ),
    *_spoiled(
        "training.predict:make_out_of_fold",
        "oof_predictions",
        contract=s.part("oof", s.with_a_stranger),
        coverage=s.part("oof", s.without_a_row),
        repeatable=s.part("again", s.moved),
    ),
    Case("oof_predictions", "finite", trainer=f"{TEAMS}:SilentTrainer"),
    Case("oof_predictions", "range", trainer=f"{TEAMS}:ShoutingTrainer"),
    Case("oof_predictions", "determinism", trainer=f"{TEAMS}:UnsteadyTrainer"),
    *_spoiled(
        "training.predict:make_paths",
        "oof_paths",
        contract=s.first(s.with_a_stranger),
        finite=s.first(s.set_first("prediction", float("nan"))),
        range=s.first(s.set_first("prediction", 1e6)),
        predictions_per_row=s.first(s.without_a_row),
        paths_complete=s.first(s.set_first("path_id", 1)),
        mean_is_oof=s.first(s.moved),
    ),
    *_spoiled(
        "training.nested:make_nested",
        "nested_oof",
        contract=s.part("nested", s.with_a_stranger),
        nested_coverage=s.part("nested", s.without_a_row),
        no_label_overlap=s.part("proof", s.overlapping),
        embargo_kept=s.part("proof", s.in_embargo),
    ),
    Case("nested_oof", "finite", trainer=f"{TEAMS}:SilentTrainer", start="nested_oof"),
    Case("nested_oof", "range", trainer=f"{TEAMS}:ShoutingTrainer", start="nested_oof"),
    *_spoiled(
        "training:aggregate_importances",
        "feature_importance",
        contract=s.table(s.with_a_stranger),
        every_feature=s.table(s.without_a_row),
    ),
    *_spoiled(
        "evaluation.scores:score_partition", "cv_scores", contract=s.table(s.with_a_stranger)
    ),
    *_spoiled(
        "training.live:fit_final_model",
        "final_models",
        complete=s.part("models", s.trained_on_fewer_rows),
    ),
    *_spoiled(
        "training.live:make_live",
        "live_predictions",
        contract=s.table(s.with_a_stranger),
        coverage=s.table(s.without_a_row),
        newest_date=s.table(s.without_the_newest_date),
        finite=s.table(s.set_first("prediction", float("nan"))),
        range=s.table(s.set_first("prediction", 1e6)),
    ),
    *_spoiled(
        "reports:partition_report",
        "tear_sheet",
        complete=s.without_a_section,
        self_contained=s.with_a_script,
        size=s.with_six_megabytes,
    ),
    *_spoiled(
        "evaluation.leaderboard:compare_partitions",
        "leaderboard",
        contract=s.table(s.with_a_stranger),
    ),
    *_spoiled("checks.summary:folds_of", "leaderboard", scores_complete=s.one_fold_more),
    *_spoiled(
        "stacking:make_stacking_frame",
        "stacking_frame",
        contract=s.table(s.with_a_stranger),
        complete=s.table(s.beside_its_row),
        same_inputs=s.of_other_labels,
    ),
    *_spoiled(
        "reports:region_report",
        "region_report",
        complete=s.without_a_section,
        self_contained=s.with_a_script,
        size=s.with_six_megabytes,
    ),
)
"""Every check whose failure rejects a candidate, once."""

LETS_PUBLISH: Mapping[tuple[str, str], str] = {
    ("market_data", "history_unchanged"): "warns",
    ("oof_predictions", "rank_ic_plausible"): "warns",
    ("oof_predictions", "oof_drift"): "warns",
    ("feature_importance", "feature_ic"): "warns",
    ("live_predictions", "resembles_oof"): "warns",
    ("leaderboard", "same_inputs"): "warns",
    ("leaderboard", "rank_ic_held"): "warns",
    ("leaderboard", "partitions_current"): "warns",
    ("stacking_frame", "columns"): "warns",
    ("stacking_frame", "side_by_side"): "warns",
    ("leaderboard", "within_budget"): "fails the gate, and publishes: what was dear is still right",
    ("oof_predictions", "stored_models_reproduce_oof"): "reads what has been published",
    **{(asset, "stored"): "reads what has been published" for asset in PRODUCTS},
}
"""Every other check, and why its failure does not keep a candidate from being published."""
