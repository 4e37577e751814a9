"""Fits within train sets, and how large predictions may be: what holds on rows not fitted."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.storage.models import Calibration, Manifest
from model2_assets.training.base_models import BaseModelTrainer, predict_rows
from model2_assets.training.data import TrainingData
from model2_assets.training.inner_folds import InnerFold, InnerFolds
from model2_assets.training.sums import TrainSums

logger = logging.getLogger(__name__)

SMALLEST_SLOPE = 0.05
"""At 0 predictions would be constant, and have no rank correlation with anything."""

FEWEST_ROWS = 50
"""Rows that an inner fold trains on, and that it predicts; one of fewer does not count."""


class FitInner(Protocol):
    """Fits a trainer on some of the train rows of a split."""

    def __call__(
        self,
        trainer: BaseModelTrainer,
        *,
        train: NDArray[np.intp],
        rows: NDArray[np.intp],
        sums: TrainSums | None,
        what: str,
    ) -> None:
        """Fit it on rows among those whose labels it may see; an error says what was fitted."""


@dataclass(frozen=True, eq=False)
class InnerFits:
    """How trainers are fitted within the train set of a split."""

    data: TrainingData  # with inner folds
    train: NDArray[np.intp]  # positions of its rows
    fit: FitInner
    sums: TrainSums | None  # of the split, where fits are made from them
    what: str  # is fitted on all of them, for messages

    @property
    def inner(self) -> InnerFolds:
        """How train sets are split once more; a `TrainingError` if they cannot be."""
        if self.data.inner is None:
            raise TrainingError(
                "calibration and search are by inner folds, which take the ends of labels; give "
                "labels with label_end_<h>d, or set calibration to none and leave search out"
            )
        return self.data.inner

    def folds(self, stride: int) -> list[InnerFold]:
        """Return the inner folds that have rows enough on every n-th date."""

        def is_usable(fold: InnerFold) -> bool:
            parts = (fold.train, fold.held_out)
            kept = (self.data.rows_on_every_nth_date(rows, stride) for rows in parts)
            return min(map(len, kept)) >= FEWEST_ROWS

        return self.inner.split(self.train, is_usable=is_usable)

    def predict(
        self, trainer: BaseModelTrainer, fold: InnerFold, *, every: tuple[int, int], what: str
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Fit on every n-th date clear of a fold, or their sums; predict every m-th date of it.

        Returns the rows fitted on, the rows predicted, and the predictions in bps.
        """
        sums = None if self.sums is None or fold.group is None else self.sums.clear_of(fold.group)
        to_fit, to_predict = every
        fitted = fold.train if sums else self.data.rows_on_every_nth_date(fold.train, to_fit)
        rows = self.data.rows_on_every_nth_date(fold.held_out, to_predict)
        self.fit(trainer, train=fold.train, rows=fitted, sums=sums, what=f"{self.what}, {what}")
        return fitted, rows, predict_rows(trainer, self.data.X, rows)


@dataclass(frozen=True)
class _Moments:
    """Sums over the inner predictions of a fold, each less the mean label that it trained on."""

    products: float  # with labels
    squares: float
    rows: int


def inner_slope(trainer: BaseModelTrainer, fits: InnerFits) -> Calibration:
    r"""Return the slope of labels on predictions of train rows by models that did not see them.

    Every group of the train set is predicted by a model of the others that are clear of it, on
    every n-th date. With p these predictions and y the labels, both less the mean label of the
    rows that the model was fitted on, the slope is

    .. math:: w = \sum p y / \sum p^2

    over all groups together, within 0.05 and 1: the calibration slope of Cox (1958), through the
    origin and from cross-validation within the train set, as van Houwelingen and le Cessie
    (1990) shrink with. Rows of which a model has no finite prediction to make do not count. Its
    standard error is that of the jackknife that deletes one group
    (Efron and Tibshirani 1993, chapter 11).

    Parameters
    ----------
    trainer : BaseModelTrainer
        Fitted on the train set; what fits the inner folds is its `for_inner_folds`.
    fits : InnerFits
        Of the split.

    Raises
    ------
    TrainingError
        If the data has no inner folds, or a fit fails.

    Returns
    -------
    Calibration
        With a slope of 1 and no rows where every inner fold has too few.

    References
    ----------
    .. [1] D. R. Cox, "Two further applications of a model for binary regression", Biometrika
       45(3-4), 1958.
    .. [2] J. C. van Houwelingen and S. le Cessie, "Predictive value of statistical models",
       Statistics in Medicine 9(11), 1990.
    .. [3] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993.
    """
    data, own_stride = fits.data, trainer.date_stride(fits.data.n_rows)
    fitted = data.rows_on_every_nth_date(fits.train, own_stride)
    stride = max(fits.inner.stride, own_stride)
    folds = []
    for fold in fits.folds(stride):
        model = trainer.for_inner_folds()
        rows, predicted, predictions = fits.predict(
            model, fold, every=(stride, stride), what="an inner fold"
        )
        base = _mean_label(data, rows)
        known = np.isfinite(predictions)
        p, y = predictions[known] - base, data.y[predicted[known]] - base
        folds.append(_Moments(products=float(p @ y), squares=float(p @ p), rows=len(p)))
    base_bps = _mean_label(data, fitted)
    if not folds:
        logger.warning(
            "%s: no inner fold has %d rows to train on and to predict, so predictions are left as "
            "large as they are fitted; lengthen the history, or set calibration to none",
            fits.what,
            FEWEST_ROWS,
        )
        return Calibration(slope=1.0, base_bps=base_bps, rows=0)
    return Calibration(
        slope=float(np.clip(_slope(folds), SMALLEST_SLOPE, 1.0)),
        base_bps=base_bps,
        rows=sum(fold.rows for fold in folds),
        standard_error=_standard_error(folds),
    )


def final_calibration(
    trainer: BaseModelTrainer, data: TrainingData, validated: Manifest, *, walks_forward: bool
) -> Calibration:
    """Calibrate the model of all rows by the median slope of the splits, or by the last one's.

    Walking forward, the last split trains on nearly all that the final model does.
    """
    slopes = [fold.calibration for fold in validated.folds if fold.calibration is not None]
    if not slopes:
        raise TrainingError("fitted_models are not calibrated; materialize fitted_models again")
    stride = trainer.date_stride(data.n_rows)
    fitted = data.rows_on_every_nth_date(np.arange(data.n_rows), stride)
    slope = slopes[-1].slope if walks_forward else float(np.median([of.slope for of in slopes]))
    return Calibration(
        slope=slope,
        base_bps=_mean_label(data, fitted),
        rows=sum(of.rows for of in slopes),
    )


def _mean_label(data: TrainingData, rows: NDArray[np.intp]) -> float:
    """Return the mean label of fitted rows: what a model predicts that has learned nothing."""
    weights = None if data.row_weights is None else data.row_weights(rows)
    return float(np.average(data.y[rows], weights=weights))


def _slope(folds: Sequence[_Moments]) -> float:
    """Return the slope over all folds; 0 where predictions do not differ from the mean label."""
    squares = sum(fold.squares for fold in folds)
    return sum(fold.products for fold in folds) / squares if squares else 0.0


def _standard_error(folds: Sequence[_Moments]) -> float | None:
    """Return the standard error of the slope, by leaving out one fold at a time."""
    n_folds = len(folds)
    if n_folds < 2:
        return None
    left_out = [_slope([*folds[:out], *folds[out + 1 :]]) for out in range(n_folds)]
    return float(np.sqrt((n_folds - 1) * np.var(left_out)))
