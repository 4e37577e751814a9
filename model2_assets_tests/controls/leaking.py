"""Training data whose splits train on rows that they test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model2_assets.training import TrainingData


@dataclass(frozen=True, eq=False)
class LeakingData(TrainingData):
    """Every split trains on a share of its own test rows, taken at even distances."""

    share: float = 0.0

    def train_rows(self, split_id: int) -> NDArray[np.intp]:
        test = self.test_rows(split_id)
        taken = np.linspace(0, len(test) - 1, round(self.share * len(test))).astype(np.intp)
        return np.union1d(super().train_rows(split_id), test[taken])


@dataclass(frozen=True, eq=False)
class StraddlingData(TrainingData):
    """Every split tests each fifth row and trains on the others, of the same dates too."""

    def train_rows(self, split_id: int) -> NDArray[np.intp]:
        return np.flatnonzero(np.arange(self.n_rows) % 5 != split_id)

    def test_rows(self, split_id: int) -> NDArray[np.intp]:
        return np.flatnonzero(np.arange(self.n_rows) % 5 == split_id)


def leak_test_rows(data: TrainingData, *, share: float) -> TrainingData:
    return LeakingData(**vars(data), share=share) if share else data


def straddle_dates(data: TrainingData) -> TrainingData:
    return StraddlingData(**vars(data))
