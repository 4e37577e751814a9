import numpy as np
import pandas as pd

from model2_assets.panel import row_chunks


def test_chunks_are_views_of_all_rows_in_order():
    table = pd.DataFrame(np.arange(14.0).reshape(7, 2))
    chunks = list(row_chunks(table, 3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    pd.testing.assert_frame_equal(pd.concat(chunks), table)
    assert all(np.shares_memory(chunk.to_numpy(), table.to_numpy()) for chunk in chunks)


def test_no_rows_have_no_chunk():
    assert list(row_chunks(pd.DataFrame({"a": []}))) == []
