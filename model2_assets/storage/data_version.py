"""Data versions: digests of values, never of file bytes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


_COLUMNS_AT_ONCE = 16


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

    digest = hashlib.sha256(f"{len(frame)} rows".encode())
    for name, values in _columns(frame):
        for part in _parts(values):
            digest.update(json.dumps([name, part.dtype.str, part.size]).encode())
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:32]


def _columns(frame: "pd.DataFrame") -> "Iterator[tuple[str, pd.Index | pd.Series]]":
    """Yield index levels and columns by name, those of a matrix by row copied side by side."""
    import numpy as np
    import pandas as pd

    from model2_assets.storage.conformity import table_columns

    columns = table_columns(frame)
    values = frame.to_numpy() if _is_matrix_by_row(frame) else None
    if values is None:
        yield from columns.items()
        return
    names = list(map(str, frame.columns))
    yield from ((name, level) for name, level in columns.items() if name not in set(names))
    for start in range(0, len(names), _COLUMNS_AT_ONCE):
        # One column of a matrix by row costs as much memory traffic as these together.
        copied = np.ascontiguousarray(values[:, start : start + _COLUMNS_AT_ONCE].T)
        for name, column in zip(names[start : start + _COLUMNS_AT_ONCE], copied, strict=True):
            yield name, pd.Series(column, copy=False)


def _is_matrix_by_row(frame: "pd.DataFrame") -> bool:
    import numpy as np

    first = frame.iloc[:2].to_numpy()
    one_type = isinstance(first.dtype, np.dtype) and first.dtype.kind == "f"
    return (
        one_type
        and len(set(frame.dtypes)) == 1
        and frame.shape[0] > 1 < frame.shape[1]
        and bool(first.flags.c_contiguous)
    )


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
