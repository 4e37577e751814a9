"""What the results of a region were made from."""

from collections.abc import Mapping, Sequence

import pandas as pd

from model2_assets.provenance import INPUTS, data_version_of, facts_of
from model2_assets.reports._document import Column, Facts, Row, Section, Table
from model2_assets.reports._keys import split_key
from model2_assets.reports._numbers import MISSING


def versions_section(
    oof: Mapping[str, pd.DataFrame], settings: Sequence[tuple[str, str]]
) -> Section:
    """Return the data versions behind every partition."""
    inputs = ("market_data", "labels", "features", "cv_splits", "fitted_models")
    made_from = {key: facts_of(frame).get(INPUTS, {}) for key, frame in oof.items()}
    shown = [name for name in inputs if any(name in versions for versions in made_from.values())]
    rows = tuple(
        Row(
            (
                split_key(key)[1],
                split_key(key)[0],
                data_version_of(frame)[:12],
                *(made_from[key].get(name, MISSING)[:12] for name in shown),
            )
        )
        for key, frame in oof.items()
    )
    columns = ("Model", "Horizon", "oof_predictions", *shown)
    return Section(
        "provenance",
        "Provenance",
        (
            Table(
                "versions",
                "Data versions",
                tuple(Column(name, is_text=True) for name in columns),
                rows,
                note="Partitions compare where labels, features and splits are of one version.",
            ),
            Facts("settings", tuple(settings)),
        ),
        text="The same data versions and settings give this file again, byte for byte.",
    )
