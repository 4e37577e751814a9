"""What a tear sheet was made from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from model2_assets.config import RegionConfig
from model2_assets.provenance import INPUTS, data_version_of, facts_of
from model2_assets.reports._document import Column, Facts, Row, Section, Table
from model2_assets.reports._numbers import number

if TYPE_CHECKING:
    from model2_assets.training import Manifest


def provenance_section(oof: pd.DataFrame, manifest: "Manifest", config: RegionConfig) -> Section:
    """Return the settings and data versions behind a tear sheet."""
    versions = {"oof_predictions": data_version_of(oof), **facts_of(oof).get(INPUTS, {})}
    return Section(
        "provenance",
        "Provenance",
        (
            Facts(
                "settings",
                (
                    ("Trainer", manifest.trainer),
                    ("Parameters", _settings(manifest.params)),
                    ("Seed", str(manifest.seed)),
                    ("Sample weights", manifest.sample_weights),
                    ("Features used", f"{len(manifest.feature_names):,}"),
                    *region_settings(config),
                    ("Libraries", _settings(manifest.library_versions)),
                    *((f"Version of {name}", version) for name, version in versions.items()),
                ),
            ),
            _models_table(manifest),
        ),
        text="The same data versions, settings and libraries give this file again, byte for byte.",
    )


def region_settings(config: RegionConfig) -> tuple[tuple[str, str], ...]:
    """Return the settings of a region that its scores depend on."""
    # Whether nested predictions are made besides changes none of these.
    splits = config.cross_validation.model_dump(exclude={"nested"})
    return (
        ("Labels", _settings(config.labels.model_dump())),
        ("Features", _settings(config.features.model_dump())),
        ("Cross-validation", _settings(splits)),
    )


def _settings(values: Mapping[str, Any]) -> str:
    """Return settings as ``name value`` pairs; what is not set is left out."""
    return ", ".join(
        f"{name} {_value(value)}" for name, value in values.items() if value not in (None, {}, ())
    )


def _value(value: object) -> str:
    if isinstance(value, tuple | list):
        return " and ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _models_table(manifest: "Manifest") -> Table:
    return Table(
        "models",
        "Fold models",
        (
            Column("Split", is_text=True),
            Column("Train rows"),
            Column("Test rows"),
            Column("Size", "kB"),
            Column("Digest of the fitted values", is_text=True),
        ),
        tuple(
            Row(
                (
                    str(fold.split_id),
                    number(fold.n_train, ",d"),
                    number(fold.n_test, ",d"),
                    number(fold.bytes / 1e3, ",.1f"),
                    fold.digest[:16],
                )
            )
            for fold in manifest.folds
        ),
    )
