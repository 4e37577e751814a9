"""Where commands are stopped."""

from dataclasses import dataclass

PARTITION = ("--region", "us", "--horizon", "21d", "--model", "xgboost")


@dataclass(frozen=True)
class Stage:
    """A command, and the function of it in which it is stopped; none: where it waits."""

    name: str
    arguments: tuple[str, ...]
    place: str = ""
    way: str = "in_python"
    status: str = "CANCELED"
    """Of the run at hand; empty where the command has none, or none yet."""
    forced: bool = False
    """Whether nothing can end it in good order."""
    in_every_way: bool = False


RETRAIN = ("retrain", "--force")
LOAD = "model2_assets.market_data:load_market_data"
FIT = "model2_assets.training.fit:_searched_and_fitted"
PUBLISH = "model2_assets.storage.store:publish"

UI = Stage(
    "ui", ("ui", "-m", "model2_assets.definitions"), status="", forced=True, in_every_way=True
)

STAGES = (
    Stage("retrain: market data", RETRAIN, LOAD, in_every_way=True),
    Stage(
        "retrain: market data in native code",
        RETRAIN,
        LOAD,
        "in_native_code",
        forced=True,
        in_every_way=True,
    ),
    Stage("retrain: features", RETRAIN, "model2_assets.features.build:make_features"),
    Stage("retrain: splits", RETRAIN, "model2_assets.cross_validation:build_cv_splits"),
    Stage("retrain: fits in native code", RETRAIN, FIT, "in_native_code", in_every_way=True),
    Stage("retrain: fits in joblib's processes", RETRAIN, FIT, "in_joblib_workers"),
    Stage("retrain: fits in a pool of processes", RETRAIN, FIT, "in_pool_workers"),
    Stage("retrain: predictions", RETRAIN, "model2_assets.training.predict:make_out_of_fold"),
    Stage("retrain: publishing", RETRAIN, PUBLISH),
    Stage(
        "retrain: between runs", RETRAIN, "model2_assets.defs.retrain:run_result", status="SUCCESS"
    ),
    Stage("retrain: tear sheet", RETRAIN, "model2_assets.reports:partition_report"),
    Stage("retrain: region report", RETRAIN, "model2_assets.reports:region_report"),
    Stage("retrain: waiting for a lock", RETRAIN, status=""),
    Stage(
        "retrain --gate: report",
        ("retrain", "--gate"),
        "model2_assets.cli.gate:write_report",
        status="SUCCESS",
    ),
    Stage("check: reading", ("check",), "model2_assets.checks.stored:evaluate_stored"),
    Stage(
        "check --gate: report",
        ("check", "--gate"),
        "model2_assets.cli.gate:write_report",
        status="SUCCESS",
    ),
    Stage("validate-config: market data", ("validate-config",), LOAD, status=""),
    Stage("scores", ("scores",), "model2_assets.cli.show:print_scores", status=""),
    Stage("versions", ("versions",), "model2_assets.cli.show:versions_table", status=""),
    Stage(
        "propose-splits",
        ("propose-splits",),
        "model2_assets.cross_validation:propose_cpcv",
        status="",
    ),
    Stage(
        "close-runs", ("close-runs",), "model2_assets.defs.maintenance:close_dead_runs", status=""
    ),
    Stage("prune-runs", ("prune-runs",), "model2_assets.defs.maintenance:find_prunable", status=""),
    Stage("rollback: asking", ("rollback", *PARTITION), status=""),
    Stage(
        "rollback: restoring",
        ("rollback", "--yes", *PARTITION),
        "model2_assets.storage.store:link_atomically",
        "a_moment",
        status="",
    ),
    UI,
)
