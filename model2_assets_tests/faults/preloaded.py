"""Everything that a retrain imports, so that a process forked from here imports nothing.

The fork server imports this module once. Nothing here may start a thread: a lock that another
thread holds stays locked in a forked process.
"""

import contextlib
import importlib
import pkgutil

import matplotlib.backends.backend_agg
import matplotlib.figure
import pyarrow.parquet
import scipy.stats
import sklearn.impute
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing
import xgboost

import model2_assets

MODULES = (
    matplotlib.backends.backend_agg,
    matplotlib.figure,
    pyarrow.parquet,
    scipy.stats,
    sklearn.impute,
    sklearn.linear_model,
    sklearn.pipeline,
    sklearn.preprocessing,
    xgboost,
)


def _import_all() -> None:
    for found in pkgutil.walk_packages(model2_assets.__path__, "model2_assets."):
        if found.name != "model2_assets.definitions":  # builds them, from the environment
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)


_import_all()
