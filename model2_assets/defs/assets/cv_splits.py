"""The role of every labelled row in every cross-validation split, proved free of overlap.

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

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import table
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def cv_splits_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``cv_splits`` asset."""
    config, limits = region.settings.cross_validation, region.config.checks

    @region.asset(
        "cv_splits",
        description=__doc__,
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
            "null_control": CheckText(
                f"Ridge, fitted by these splits on labels permuted within each date, "
                f"{limits.null_control_permutations} times: the mean rank IC lies within three "
                f"Monte Carlo errors of zero, so no label of a test row reaches a fit."
            ),
        },
    )
    def cv_splits(context: dg.AssetExecutionContext, labels: Any, features: Any) -> Iterator[Any]:
        from model2_assets.charts import split_pictures
        from model2_assets.checks import (
            check_contract,
            check_minimum_samples,
            check_no_label_overlap,
            check_null_control,
            failed_errors,
        )
        from model2_assets.controls import null_control_by_horizon
        from model2_assets.cross_validation import (
            build_cv_splits,
            count_samples,
            prove_no_overlap,
            split_coverage,
            split_ids,
            split_summary,
        )
        from model2_assets.data_version import table_digest
        from model2_assets.provenance import (
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
            if not failed_errors(outcomes):
                controls = null_control_by_horizon(
                    features,
                    labels,
                    splits,
                    horizons=region.settings.labels.horizon_keys,
                    settings=limits,
                    n_threads=region.config.execution.n_jobs,
                )
                outcomes.append(check_null_control(controls))
            yield from publish(
                context,
                region,
                with_provenance(splits, data_version=version, inputs=inputs),
                outcomes,
                data_version=version,
                metadata={
                    "dagster/row_count": len(splits),
                    "splits": len(split_ids(splits)),
                    "coverage": "; ".join(found.text for found in split_coverage(splits)),
                    "label_overlaps": proof.n_overlaps,
                    "overlaps_of_longest_window": proof.n_overlaps_longest,
                    "proof": table(proof.per_split),
                    "test_blocks": table(split_summary(splits)),
                    "samples": table(samples),
                },
                pictures=lambda: split_pictures(splits),
            )

    return cv_splits
