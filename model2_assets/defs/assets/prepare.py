"""Assets that all models share: market data, labels, features, splits."""

from contextlib import ExitStack
from typing import Any

from model2_assets.defs.declaration import asset, split_settings
from model2_assets.defs.metadata import features_left_out, label_summary, missing_values, table
from model2_assets.defs.publication import Candidate, Step


@asset(
    "preparation",
    sources=("market_data", "panel.py"),
    settings=lambda region: region.settings.market_data.model_dump(exclude={"max_age_weekdays"}),
)
def market_data(step: Step) -> Candidate:
    """Daily bars of every instrument, validated.

    Bad rows are refused, or handled by a stated rule and counted in the metadata. Prices
    are left as they came; adjusted closes, where there are any, are used by labels and
    features. `in_universe` marks the members of the universe on each date.
    """
    from model2_assets.checks.inputs import MarketDataChecks
    from model2_assets.market_data import load_market_data

    settings = step.settings.market_data
    data = load_market_data(settings)
    dates = data.panel.index.get_level_values("datetime")
    checks = MarketDataChecks(data.panel, step.evidence, step.previous())
    metadata = {
        "source": data.source,
        "first_date": f"{dates.min():%Y-%m-%d}",
        "last_date": f"{dates.max():%Y-%m-%d}",
        **data.counts,
    }
    return Candidate(step.stamped(data.panel, source=data.source), checks, metadata)


@asset(
    "preparation",
    sources=("labels", "market_data/adjustment.py", "panel.py", "storage/own_tables.py"),
    settings=lambda region: region.settings.labels,
)
def labels(step: Step, market_data: Any) -> Candidate:
    """Forward returns and labels of every horizon, in basis points.

    A signal known at the close of a date trades at the close `execution_lag_days` own bars
    later and is held for the horizon's number of own bars, or to the last close of a name
    that is delisted before. The label is the forward return in excess of the date's
    equal-weight mean, winsorized per date and centred again; each step can be switched off.
    Models are fitted to it; what speaks of returns is scored on `forward_return_*`, the return
    to the label's own exit, less its mean of the date where labels are, never winsorized.
    `label_end_*` is the last date that the label looks at, which the cross-validation splits
    purge by. Rows without a label are counted by their reason: too recent, delisted before
    entry, a long gap, too few names on the date.
    """
    from model2_assets.checks.inputs import LabelsChecks
    from model2_assets.labels import make_labels
    from model2_assets.reports.data_charts import label_pictures

    settings = step.settings.labels
    made = make_labels(market_data, settings)
    return Candidate(
        step.stamped(made),
        LabelsChecks(made, step.evidence),
        metadata={
            "summary": label_summary(made, settings.horizon_keys),
            **made.attrs.get("counts", {}),
            "came_back": made.attrs.get("came_back", "not stated by the builder"),
        },
        pictures=lambda: label_pictures(made, settings.horizon_keys),
    )


@asset(
    "preparation",
    sources=("features", "market_data/adjustment.py", "panel.py", "storage/own_tables.py"),
    settings=lambda region: region.settings.features,
    kinds=("numba",),
)
def features(step: Step, market_data: Any) -> Candidate:
    """Features of every bar that has enough history, as of the close of its date.

    The Alpha158 set of Qlib, computed on each instrument's own bars and normalized over
    the cross-section of each date. Nothing after a row's date enters it. Features of one's own
    (`features.extra`) stand behind them, each row with what was known at the close of its date.
    """
    from model2_assets.checks.inputs import FeaturesChecks
    from model2_assets.engines import open_engine
    from model2_assets.features.build import make_features
    from model2_assets.features.kernels import N_FEATURES
    from model2_assets.reports.data_charts import feature_pictures
    from model2_assets.training.resources import table_fits_in_memory, usable_cores

    settings, execution, scratch = step.settings.features, step.config.execution, None
    shape = (len(market_data), N_FEATURES)
    with ExitStack() as stack, open_engine(execution, n_threads=usable_cores()) as engine:
        run = None if engine.is_local else engine.map
        is_ours = settings.builder is None
        if is_ours and (run or not table_fits_in_memory(shape, execution.max_rss_gb)):
            scratch = stack.enter_context(step.scratch_folder())
        made = make_features(market_data, settings, scratch=scratch, run=run)
        until_published = stack.pop_all()
    table = step.stamped(made, extra=made.attrs.get("extra", ""))
    return Candidate(
        table,
        FeaturesChecks(table, step.evidence),
        metadata={
            "features": made.shape[1],
            "made_in": "memory" if scratch is None else "files, block by block",
            "incomplete_features": missing_values(made),
            "left_out": features_left_out(made.attrs.get("left_out", {})),
            **made.attrs.get("counts", {}),
        },
        pictures=lambda: feature_pictures(made, market_data.index[market_data["in_universe"]]),
        until_published=until_published,
    )


@asset(
    "preparation",
    sources=("cross_validation", "panel.py"),
    settings=split_settings,
    kinds=("numpy",),
)
def cv_splits(step: Step, labels: Any, features: Any) -> Candidate:
    """The role of every labelled row in every cross-validation split, proved free of overlap.

    Groups are contiguous blocks of whole dates. Train rows whose label interval touches a test
    block are purged on both sides of it, by each row's longest label end, and the
    `embargo_days` dates that follow the block's latest label end are dropped besides. So no
    out-of-fold value of a row comes from a model that saw a label overlapping the row's longest
    window. `smallest_distance_before` and `smallest_distance_after` say how near train rows
    come to a test block, in dates: at least 1, and `embargo_days` + 1. With `purge:
    per_horizon` each horizon has splits of its own, purged with its own label ends, and that
    holds for the horizon's own window alone. `purge_of_long_windows` says what share of the purge
    is owed to windows that gaps have made longer than horizon and lag, and to whose gaps.

    Combinatorial cross-validation (`scheme: cpcv`) trains on the future of its test blocks:
    it validates a forecaster and is never a backtest. Walk-forward (`scheme: walk_forward`)
    trains on the past alone; its first groups are never tested, and scores and coverage speak
    of the rows that are.
    """
    from model2_assets.checks.inputs import SplitsChecks
    from model2_assets.cross_validation import build_cv_splits
    from model2_assets.cross_validation import table as splits_table
    from model2_assets.cross_validation.purge_cost import cost_of_long_windows
    from model2_assets.cross_validation.roles import split_ids
    from model2_assets.reports.data_charts import split_pictures
    from model2_assets.storage.data_version import require_same_origin

    settings = step.settings.cross_validation
    require_same_origin("market_data", labels=labels, features=features)
    splits = build_cv_splits(features.index, labels, settings)
    checks = SplitsChecks(splits, step.evidence)
    for row in checks.samples.itertuples():
        step.context.log.info(
            f"{row.horizon} split {row.split_id}: {row.train:,} train rows, {row.test:,} test rows"
        )
    uneven = splits_table.uneven_folds(splits, settings)
    if uneven:
        step.context.log.warning(uneven)
    cost = "not known of a splitter of your own: what it would leave to train is its to say"
    if settings.splitter is None:
        cost = str(cost_of_long_windows(splits, labels, settings, step.settings.labels))
    step.context.log.info(f"purge of long windows: {cost}")
    return Candidate(
        step.stamped(splits),
        checks,
        metadata={
            "splits": len(split_ids(splits)),
            "coverage": splits_table.coverage_text(splits),
            **({"uneven_folds": uneven} if uneven else {}),
            "purge_of_long_windows": cost,
            "label_overlaps": checks.proof.n_overlaps,
            "overlaps_of_longest_window": checks.proof.n_overlaps_longest,
            "train_rows_in_embargo": checks.proof.n_in_embargo,
            **checks.proof.distances,
            "proof": table(checks.proof.per_split),
            "test_blocks": table(splits_table.split_summary(splits)),
            "samples": table(checks.samples),
        },
        pictures=lambda: split_pictures(splits),
    )


ASSETS = (market_data, labels, features, cv_splits)
"""Assets that all models share, in the order of the graph."""
