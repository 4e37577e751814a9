"""Features of 530 MB and fits on them, with half of that to spare; then without a limit.

``python -m model2_assets_tests.services.within_memory FOLDER``. Prints a line of JSON a step: the
bytes of data (``VmData``) at its start, their limit, their peaks under it and without one, and
whether both have the same bits.
"""

import json
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from model2_assets.features import build_features_from_config
from model2_assets.market_data import synthetic_panel
from model2_assets.panel import INDEX_NAMES
from model2_assets.storage.data_version import table_digest
from model2_assets.training import RidgeTrainer, SplitView, XGBoostTrainer
from model2_assets.training.base_models import BaseModelTrainer, predict_rows
from model2_assets.training.resources import release_unused_memory

FEW_TREES = {"n_estimators": 5, "max_bin": 64, "bins": "even"}
NO_LIMIT = resource.RLIM_INFINITY


def data_bytes() -> int:
    """Return what counts against the limit."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmData")).split()[1]) * 1024


def measured(make: Callable[[], str], limit: int = NO_LIMIT) -> tuple[int, str]:
    """Return the most data that a call has, looked at every few milliseconds, and its result."""
    peaks, done = [data_bytes()], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peaks.append(data_bytes())

    watching = threading.Thread(target=watch)
    watching.start()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, NO_LIMIT))
    try:
        made = make()
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (NO_LIMIT, NO_LIMIT))
        done.set()
        watching.join()
    return max(peaks), made


def compare(step: str, within: Callable[[], str], freely: Callable[[], str], half: int) -> None:
    """Run a step with half of the matrix to spare, and once more without a limit."""
    release_unused_memory()
    base = data_bytes()
    peak, made = measured(within, base + half)
    release_unused_memory()
    free_peak, free = measured(freely)
    figures = {"base": base, "limit": base + half, "peak": peak, "free_peak": free_peak}
    print(json.dumps({"step": step, **figures, "same": made == free}), flush=True)


def run(folder: Path) -> None:
    """Make features by blocks, then fit XGBoost in external memory, and Ridge."""
    tiny = synthetic_panel(n_instruments=5, n_dates=100).set_index(list(INDEX_NAMES))
    build_features_from_config(tiny, {})  # compiles
    panel = synthetic_panel(n_instruments=400, n_dates=2200).set_index(list(INDEX_NAMES))
    rows = 400 * (2200 - 60)
    half = rows * 157 * 4 // 2
    compare(
        "features",
        lambda: table_digest(build_features_from_config(panel, {}, scratch=folder)),
        lambda: table_digest(build_features_from_config(panel, {})),
        half,
    )
    X = np.asarray(np.load(folder / "features.npy", mmap_mode="r"))
    y = np.random.default_rng(0).normal(scale=300.0, size=len(X)) + 50 * np.nan_to_num(X[:, 0])
    names = tuple(f"f{column}" for column in range(X.shape[1]))
    data, everything = SplitView(X, y, names, n_threads=2), np.arange(len(X))

    def fit(trainer: BaseModelTrainer, data: SplitView) -> str:
        predicted = predict_rows(trainer.fit_rows(data, everything), X, everything[::7])
        return f"{trainer.digest()} {hash(predicted.tobytes())}"

    for trainer, params in ((XGBoostTrainer, FEW_TREES), (RidgeTrainer, {})):
        view = SplitView(X[:5000], y[:5000], names, n_threads=2)
        trainer(params=params, seed=7).fit_rows(view, everything[:5000])  # loads libraries
        compare(
            trainer.__name__,
            lambda t=trainer, p=params: fit(t(params=p, seed=7), replace(data, scratch=folder)),
            lambda t=trainer, p=params: fit(t(params=p, seed=7), data),
            half,
        )


if __name__ == "__main__":
    run(Path(sys.argv[1]))
