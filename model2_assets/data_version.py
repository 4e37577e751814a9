"""Data versions: digests of values, never of file bytes."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def table_digest(frame: "pd.DataFrame") -> str:
    """Digest a table's names, types, values and row order.

    Two tables have the same digest if and only if they hold equal values, however they
    were stored. A missing value counts as one value, whatever its bits, and so does zero,
    whatever its sign.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Columns of strings, numbers, booleans or timezone-naive datetimes.

    Returns
    -------
    str
        The first 32 hexadecimal digits of a SHA-256.
    """
    import numpy as np

    from model2_assets.conformity import table_columns

    digest = hashlib.sha256(f"{len(frame)} rows".encode())
    for name, values in table_columns(frame).items():
        for part in _parts(values):
            digest.update(json.dumps([name, part.dtype.str, part.size]).encode())
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:32]


def document_digest(document: Mapping[str, Any]) -> str:
    """Digest a JSON-able mapping, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _parts(values: "pd.Index | pd.Series") -> "tuple[np.ndarray[Any, Any], ...]":
    import numpy as np
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        numbers = np.array(values, copy=True)
        numbers[np.isnan(numbers)] = np.nan
        numbers[numbers == 0] = 0
        return (numbers,)
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        return (np.asarray(values, dtype="datetime64[us]").view(np.int64),)
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return (np.asarray(values),)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        missing = np.asarray(values.isna())
        kind = "bool" if pd.api.types.is_bool_dtype(dtype) else str(dtype).lower()
        return pd.Series(values).to_numpy(dtype=kind, na_value=0), missing
    codes, distinct = pd.factorize(values, sort=True)
    text = json.dumps([str(value) for value in distinct]).encode()
    return codes.astype(np.int64), np.frombuffer(text, dtype=np.uint8)
