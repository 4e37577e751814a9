"""The Columns tab, from the contract."""

import dagster as dg

from model2_assets.contracts import Contract


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
