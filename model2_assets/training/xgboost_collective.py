"""One XGBoost fit by all workers together, where the rows do not fit any one of them.

Every worker bins its own rows; what they exchange are sums of gradients per bin and node, in the
collective of XGBoost (Chen & Guestrin 2016, section 6.3). With bins that are known beforehand, a
given `base_score` and no sampling of rows, the trees do not depend on how many workers there are
or on which rows each has: they are those of a fit in one process, to the bit.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from upath import UPath
from xgboost.collective import CommunicatorContext
from xgboost.tracker import RabitTracker

from model2_assets.engines import Engine, Workers, give_pages_back
from model2_assets.errors import EngineError, LostWorkerError, TrainingError
from model2_assets.storage.matrix import StoredMatrix
from model2_assets.training.base_models import ParameterError, SplitView
from model2_assets.training.data import SelectedRows

logger = logging.getLogger(__name__)

_TRIES = 3
"""Fits begun, at most, where workers are lost; each is whole, on a tracker of its own."""

_PATIENCE = {"dmlc_timeout": 15, "dmlc_retry": 1}
"""Seconds that a worker waits for another: without them, a frozen one stops all for good."""

Binned = Callable[..., xgb.DMatrix]
"""Bins the features of chosen rows."""


def require_known_bins(params: Mapping[str, Any]) -> None:
    """Refuse what would make trees depend on the workers; the error names the key."""
    reason = (
        "does not fit the memory of a worker, and a fit by all workers would give other trees "
        "than one process with"
    )
    if params["bins"] != "even":
        raise ParameterError(
            "bins",
            f"{reason} learned bins; use even, which features normalized by rank can have, or "
            f"workers with more memory",
        )
    if params["subsample"] < 1:
        raise ParameterError(
            "subsample",
            f"{reason} {params['subsample']:g} of the rows; set it to 1, or use workers with more "
            f"memory",
        )


@dataclass(frozen=True)
class _Fit:
    """What every worker is told of a fit: settings, and where its part of the rows is."""

    binned: Binned
    native: Mapping[str, Any]
    n_rounds: int
    feature_names: tuple[str, ...]
    matrix: StoredMatrix
    folder: str

    def part(self, number: int) -> UPath:
        return UPath(self.folder) / f"part-{number:05d}.npz"

    def wait_for_all(self, number: int, n_workers: int) -> None:
        """Wait until every worker has its bins: reading may take one far longer than another.

        Once they exchange sums, none may keep others waiting for longer than `_PATIENCE` has.
        """
        folder = UPath(self.folder)
        (folder / f"ready-{number:05d}").touch()
        while len(list(folder.glob("ready-*"))) < n_workers:
            if not self.part(number).exists():
                raise TrainingError("the fit was given up meanwhile")
            time.sleep(0.2)


def fit_together(
    binned: Binned,
    native: Mapping[str, Any],
    n_rounds: int,
    *,
    data: SplitView,
    rows: NDArray[np.intp],
    workers: Workers,
) -> xgb.Booster:
    """Grow trees on chosen rows by all workers; the whole fit once more where one is lost.

    Parameters
    ----------
    binned : callable
        Takes a view of some rows, their positions and ``n_threads``; returns their matrix.
    native : mapping
        Parameters of XGBoost for all rows together, ``base_score`` included.
    n_rounds : int
        Trees.
    data : SplitView
        Features that are stored, and labels in bps.
    rows : ndarray of shape (n_fitted_rows,), intp
        Ascending positions to fit on.
    workers : Workers
        Who fits, and where they find their rows.

    Raises
    ------
    EngineError
        If workers were lost `_TRIES` times, or their scheduler was.
    TrainingError
        If the features are not stored, or a fit fails.
    """
    X = data.X
    if not isinstance(X, SelectedRows) or X.stored is None:
        raise TrainingError(
            "these features are none that a store has read, from which workers could; use engine "
            "local"
        )
    for attempt in range(1, _TRIES + 1):
        try:
            with workers.scratch() as folder:
                fit = _Fit(binned, native, n_rounds, data.feature_names, X.stored, str(folder))
                return _fit_once(fit, data, X.positions, rows, workers.engine)
        except LostWorkerError as error:
            logger.warning("fit %d of at most %d: %s", attempt, _TRIES, error)
            lost = error
    raise EngineError(f"{lost}; {_TRIES} fits were begun: give workers more memory") from lost


def _fit_once(
    fit: _Fit,
    data: SplitView,
    positions: NDArray[np.intp],
    rows: NDArray[np.intp],
    engine: Engine,
) -> xgb.Booster:
    numbers = range(engine.n_workers)
    for number, part in zip(numbers, np.array_split(rows, len(numbers)), strict=True):
        arrays = {"positions": positions[part], "label": data.y[part]}
        if data.sample_weight is not None:
            arrays["weight"] = data.sample_weight[part]
        with fit.part(number).open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    tracker = RabitTracker(n_workers=len(numbers), host_ip=engine.host, sortby="task")
    tracker.start()
    try:
        size = (len(numbers), engine.threads_per_worker)
        grown = engine.together(partial(_fit_part, fit, tracker.worker_args(), size), numbers)
    finally:
        with suppress(xgb.core.XGBoostError):  # of a fit that failed
            tracker.free()
    booster = xgb.Booster()
    booster.load_model(bytearray(grown[0]))
    return booster


def _fit_part(fit: _Fit, tracker: Mapping[str, Any], size: tuple[int, int], number: int) -> bytes:
    """Take part in a fit; all workers hold the same trees, of which the first hands its own on."""
    n_workers, n_threads = size
    with fit.part(number).open("rb") as file, np.load(file, allow_pickle=False) as stored:
        part = dict(stored)
    first, last = part["positions"][[0, -1]].tolist()
    values = fit.matrix.rows(first, last + 1)
    give_pages_back(values)
    own = SplitView(
        X=SelectedRows(values, part["positions"] - first),
        y=part["label"],
        feature_names=fit.feature_names,
        sample_weight=part.get("weight"),
    )
    everything = np.arange(len(own.y))
    arguments = {**tracker, **_PATIENCE, "dmlc_task_id": f"{number:05d}"}
    native = {**fit.native, "nthread": n_threads}
    with xgb.config_context(verbosity=0):
        train = fit.binned(own, everything, n_threads=n_threads)
        fit.wait_for_all(number, n_workers)
        with CommunicatorContext(**arguments):
            booster = xgb.train(native, train, num_boost_round=fit.n_rounds)
            return bytes(booster.save_raw("ubj")) if number == 0 else b""
