"""What a second-layer model is handed: the out-of-fold columns of a region, with labels."""

from model2_assets.stacking._columns import (
    BaseColumn,
    base_columns,
    stackable_columns,
)
from model2_assets.stacking._frame import PURGE_GUARANTEES, make_stacking_frame
from model2_assets.stacking._nonnegative import nonnegative_weights

__all__ = [
    "PURGE_GUARANTEES",
    "BaseColumn",
    "base_columns",
    "make_stacking_frame",
    "nonnegative_weights",
    "stackable_columns",
]
