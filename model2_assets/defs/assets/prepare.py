"""Assets that all models share: market data, labels, features, splits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from model2_assets.defs.metadata import features_left_out, label_summary, missing_values, table
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region
from model2_assets.defs.steps import core_call

_MARKET_DATA = """\
Daily bars of every instrument, validated.

Bad rows are refused, or handled by a stated rule and counted in the metadata. Prices
are left as they came; adjusted closes, where there are any, are used by labels and
features. `in_universe` marks the members of the universe on each date.
"""


_FRESH = "How many Mondays to Fridays the last session is old."


def market_data_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``market_data`` asset."""
    limit = region.settings.market_data.max_age_weekdays

    @region.asset(
        "market_data",
        description=_MARKET_DATA,
        kinds=(region.settings.market_data.source,),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of MarketData."),
            "fresh": CheckText(_FRESH if limit is None else f"{_FRESH} Allowed are {limit}."),
            "history_unchanged": CheckText(
                "Past closes are those of the last run. A split, one factor for all past closes "
                "of an instrument, is named and allowed, and so are adjusted closes that were "
                "adjusted anew.",
                blocking=False,
            ),
        },
    )
    def market_data(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from model2_assets.checks import check_contract, check_fresh, check_history_unchanged
        from model2_assets.market_data import load_market_data
        from model2_assets.storage.data_version import table_digest
        from model2_assets.storage.provenance import with_provenance
        from model2_assets.storage.read import previous_result

        with core_call(context):
            data = load_market_data(region.settings.market_data)
            version = table_digest(data.panel)
            dates = data.panel.index.get_level_values("datetime")
            before = previous_result(region.store, region.address(context))
            yield from publish(
                context,
                region,
                with_provenance(data.panel, data_version=version, inputs={}, source=data.source),
                [
                    check_contract(data.panel, "MarketData"),
                    check_fresh(
                        dates.max().date(),
                        now=datetime.now(UTC),
                        timezone=region.config.schedule.timezone,
                        max_age_weekdays=limit,
                    ),
                    check_history_unchanged(data.panel, before.table, problem=before.problem),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(data.panel),
                    "source": data.source,
                    "first_date": f"{dates.min():%Y-%m-%d}",
                    "last_date": f"{dates.max():%Y-%m-%d}",
                    **data.counts,
                },
            )

    return market_data


_LABELS = """\
Forward returns and labels of every horizon, in basis points.

A signal known at the close of a date trades at the close `execution_lag_days` own bars
later and is held for the horizon's number of own bars. The label is the forward return
in excess of the date's equal-weight mean, winsorized per date; each step can be
switched off. `label_end_*` is the last date that the label looks at, which the
cross-validation splits purge by.
"""


def labels_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``labels`` asset."""

    @region.asset(
        "labels",
        description=_LABELS,
        inputs=("market_data",),
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of Labels."),
            "consistent": CheckText(
                "Every horizon, rows of the universe only, a label end exactly where "
                "there is a label, and no earlier than the bar at which the position ends."
            ),
        },
    )
    def labels(context: dg.AssetExecutionContext, market_data: Any) -> Iterator[Any]:
        from model2_assets.checks import check_contract, check_labels_consistent
        from model2_assets.labels import make_labels
        from model2_assets.reports.galleries import label_pictures
        from model2_assets.storage.data_version import table_digest
        from model2_assets.storage.provenance import data_versions_of, with_provenance

        horizons = region.settings.labels.horizon_keys
        with core_call(context):
            table = make_labels(market_data, region.settings.labels)
            version = table_digest(table)
            inputs = data_versions_of(market_data=market_data)
            yield from publish(
                context,
                region,
                with_provenance(table, data_version=version, inputs=inputs),
                [
                    check_contract(table, "Labels"),
                    check_labels_consistent(
                        table,
                        market_data,
                        horizons=horizons,
                        execution_lag_days=region.settings.labels.execution_lag_days,
                    ),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(table),
                    "summary": label_summary(table, horizons),
                    **table.attrs.get("counts", {}),
                },
                pictures=lambda: label_pictures(table, horizons),
            )

    return labels


_FEATURES = """\
Features of every bar that has enough history, as of the close of its date.

The Alpha158 set of Qlib, computed on each instrument's own bars and normalized over
the cross-section of each date. Nothing after a row's date enters it.
"""


def features_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``features`` asset."""
    limits = region.config.checks

    @region.asset(
        "features",
        description=_FEATURES,
        inputs=("market_data",),
        kinds=("numba",),
        checks={
            "contract": CheckText("Names, types, key and order of Features."),
            "consistent": CheckText(
                "At least one feature and row, rows of the universe only, nothing infinite."
            ),
            "lookahead_control": CheckText(
                f"Recomputed on history that ends at each of {limits.lookahead_control_dates} "
                f"sampled dates, features are the same to the bit, so they use nothing that "
                f"comes later."
            ),
        },
    )
    def features(context: dg.AssetExecutionContext, market_data: Any) -> Iterator[Any]:
        from model2_assets.checks import (
            check_contract,
            check_features_consistent,
            check_lookahead_control,
        )
        from model2_assets.checks.controls import lookahead_control
        from model2_assets.features.build import make_features
        from model2_assets.reports.galleries import feature_pictures
        from model2_assets.storage.data_version import table_digest
        from model2_assets.storage.provenance import data_versions_of, with_provenance

        with core_call(context):
            table = make_features(market_data, region.settings.features)
            version = table_digest(table)
            control = lookahead_control(
                table,
                market_data,
                region.settings.features,
                n_dates=limits.lookahead_control_dates,
                seed=limits.controls_seed,
            )
            inputs = data_versions_of(market_data=market_data)
            yield from publish(
                context,
                region,
                with_provenance(table, data_version=version, inputs=inputs),
                [
                    check_contract(table, "Features"),
                    check_features_consistent(table, market_data),
                    check_lookahead_control(control),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(table),
                    "features": table.shape[1],
                    "incomplete_features": missing_values(table),
                    "left_out": features_left_out(table.attrs.get("left_out", {})),
                    **table.attrs.get("counts", {}),
                },
                pictures=lambda: feature_pictures(
                    table, market_data.index[market_data["in_universe"]]
                ),
            )

    return features


_CV_SPLITS = """\
The role of every labelled row in every cross-validation split, proved free of overlap.

Groups are contiguous blocks of whole dates. Train rows whose label interval touches a
test block are purged on both sides of it, by each row's longest label end, and the
`embargo_days` dates that follow the block's latest label end are dropped besides. So no
out-of-fold value of a row comes from a model that saw a label overlapping the row's
longest window. With `purge: per_horizon` each horizon has splits of its own, purged with
its own label ends, and that holds for the horizon's own window alone.

Combinatorial cross-validation (`scheme: cpcv`) trains on the future of its test blocks:
it validates a forecaster and is never a backtest. Walk-forward (`scheme: walk_forward`)
trains on the past alone; its first groups are never tested, and scores and coverage speak
of the rows that are.
"""


def cv_splits_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``cv_splits`` asset."""
    config = region.settings.cross_validation

    @region.asset(
        "cv_splits",
        description=_CV_SPLITS,
        inputs=("labels", "features"),
        kinds=("numpy",),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of CVSplits."),
            "no_label_overlap": CheckText(
                "No train row's label interval touches a test row's; counted from the "
                "labels by an interval sweep, not by the splitter. Purged per horizon, the "
                "intervals are those of the horizon's own labels."
            ),
            "minimum_samples": CheckText(
                f"At least {config.min_samples} labelled rows in train and test of every "
                f"split, for every horizon."
            ),
        },
    )
    def cv_splits(context: dg.AssetExecutionContext, labels: Any, features: Any) -> Iterator[Any]:
        from model2_assets.checks import (
            check_contract,
            check_minimum_samples,
            check_no_label_overlap,
        )
        from model2_assets.cross_validation import build_cv_splits, prove_no_overlap
        from model2_assets.cross_validation.roles import split_ids
        from model2_assets.cross_validation.table import count_samples, coverage_text, split_summary
        from model2_assets.reports.galleries import split_pictures
        from model2_assets.storage.data_version import table_digest
        from model2_assets.storage.provenance import (
            data_versions_of,
            require_same_origin,
            with_provenance,
        )

        with core_call(context):
            require_same_origin("market_data", labels=labels, features=features)
            splits = build_cv_splits(features.index, labels, config)
            proof = prove_no_overlap(splits, labels)
            samples = count_samples(splits, labels)
            for row in samples.itertuples():
                context.log.info(
                    f"{row.horizon} split {row.split_id}: {row.train:,} train rows, "
                    f"{row.test:,} test rows"
                )
            version = table_digest(splits)
            inputs = data_versions_of(labels=labels, features=features)
            outcomes = [
                check_contract(splits, "CVSplits"),
                check_no_label_overlap(proof),
                check_minimum_samples(splits, labels, min_samples=config.min_samples),
            ]
            yield from publish(
                context,
                region,
                with_provenance(splits, data_version=version, inputs=inputs),
                outcomes,
                data_version=version,
                metadata={
                    "dagster/row_count": len(splits),
                    "splits": len(split_ids(splits)),
                    "coverage": coverage_text(splits),
                    "label_overlaps": proof.n_overlaps,
                    "overlaps_of_longest_window": proof.n_overlaps_longest,
                    "proof": table(proof.per_split),
                    "test_blocks": table(split_summary(splits)),
                    "samples": table(samples),
                },
                pictures=lambda: split_pictures(splits),
            )

    return cv_splits
