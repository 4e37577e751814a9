"""The role of every labelled row in every cross-validation split, proved free of overlap.

Groups are contiguous blocks of whole dates. Train rows whose label interval touches a
test block are purged on both sides of it, by each row's longest label end, and the
`embargo_days` dates that follow the block's latest label end are dropped besides. So no
out-of-fold value of a row comes from a model that saw a label overlapping the row's
longest window. Combinatorial cross-validation trains on the future of its test blocks:
it validates a forecaster and is never a backtest.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import picture, table
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def cv_splits_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``cv_splits`` asset."""
    config = region.settings.cross_validation

    @region.asset(
        "cv_splits",
        description=__doc__,
        inputs=("labels", "features"),
        kinds=("numpy",),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of CVSplits."),
            "no_label_overlap": CheckText(
                "No train row's label interval touches a test row's; counted from the "
                "labels by an interval sweep, not by the splitter."
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
        from model2_assets.cross_validation import (
            build_cv_splits,
            count_samples,
            prove_no_overlap,
            split_summary,
        )
        from model2_assets.data_version import table_digest
        from model2_assets.evaluation import plot_fold_timeline
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
            yield from publish(
                context,
                region,
                with_provenance(splits, data_version=version, inputs=inputs),
                [
                    check_contract(splits, "CVSplits"),
                    check_no_label_overlap(proof),
                    check_minimum_samples(splits, labels, min_samples=config.min_samples),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(splits),
                    "splits": len(proof.per_split),
                    "label_overlaps": proof.n_overlaps,
                    "proof": table(proof.per_split),
                    "test_blocks": table(split_summary(splits)),
                    "samples": table(samples),
                    "timeline": picture(plot_fold_timeline(splits)),
                },
            )

    return cv_splits
