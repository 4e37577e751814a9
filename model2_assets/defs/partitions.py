"""Horizon × model partitions of a region."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from model2_assets.contracts import Contract

HORIZON, MODEL = "horizon", "model"

PARTITION_TAG = "dagster/partition"
"""Tag by which Dagster tells the partition of a run or an event."""


def model_partitions(
    horizons: Sequence[str], models: Sequence[str]
) -> dg.MultiPartitionsDefinition:
    """Return the partitions of a region's model assets.

    Parameters
    ----------
    horizons : sequence of str
        Such as ``("21d", "63d")``.
    models : sequence of str
        Names of the region's models.

    Returns
    -------
    MultiPartitionsDefinition
        Keys read ``21d|ridge``: Dagster orders dimensions by name.
    """
    return dg.MultiPartitionsDefinition(
        {
            HORIZON: dg.StaticPartitionsDefinition(list(horizons)),
            MODEL: dg.StaticPartitionsDefinition(list(models)),
        }
    )


def column_schema(contract: Contract, names: tuple[str, ...] = ()) -> dg.TableSchema:
    """Return a contract's columns as Dagster shows them.

    Parameters
    ----------
    contract : Contract
        Fixed columns are always listed.
    names : tuple of str
        Further columns, known from the configuration.

    Returns
    -------
    TableSchema
        Name, type, unit and description of every column.
    """
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.arrow_type,
                description=f"{column.description} Unit: {column.unit}.",
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in contract.described(names)
            if column.required or column.name in contract.schema["properties"] or name in names
        ],
    )


ACCEPTED_PREVIEWS = {
    "Specifying a partitions_def on an AssetCheckSpec is currently in preview": dg.PreviewWarning,
    "Parameter `use_user_code_server` of initializer": dg.BetaWarning,
    "Parameter `execution_type` of function `AssetsDefinition.__init__`": dg.BetaWarning,
}
"""Starts of the warnings' messages, and their kinds.

Check results per partition need the first: without, the result of the last partition
overwrites the others'. Conditions of our own, and with them the nightly retrain, need the
second. The third is Dagster's own doing where a check is given a hook.
"""


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silence the warnings of the accepted previews, and no others."""
    with warnings.catch_warnings():
        for message, category in ACCEPTED_PREVIEWS.items():
            warnings.filterwarnings("ignore", message=message, category=category)
        yield
