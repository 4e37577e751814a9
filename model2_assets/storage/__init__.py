"""Where results live, and how they are written and read back.

``<base>/<region>/<asset>.parquet`` for unpartitioned assets,
``<base>/<region>/<asset>/<horizon>/<model>.parquet`` (``.jsonl``, or a folder of fold
models) for partitioned ones; a report is ``report.html`` in a folder of that name. Every
write is atomic, every read of a table checks the contract. The last versions of results are
kept under ``<base>/.versions/``; market data, labels, features and splits are not: they are
large, and made again from their source in minutes. Working files, which can be removed at
any time, are under ``<base>/.working/<region>/``.
"""

from model2_assets.storage.address import (
    HOME_VARIABLE,
    LOCKS,
    PRODUCTS,
    REPORT_FILE,
    STORAGE_VARIABLE,
    WITHOUT_VERSIONS,
    WORKING,
    Address,
    Format,
    Product,
    default_base,
    instance_home,
    repository_root,
)
from model2_assets.storage.archive import REJECTED
from model2_assets.storage.models import open_fold_models
from model2_assets.storage.store import Attest, Store, default_store

__all__ = [
    "HOME_VARIABLE",
    "LOCKS",
    "PRODUCTS",
    "REJECTED",
    "REPORT_FILE",
    "STORAGE_VARIABLE",
    "WITHOUT_VERSIONS",
    "WORKING",
    "Address",
    "Attest",
    "Format",
    "Product",
    "Store",
    "default_base",
    "default_store",
    "instance_home",
    "open_fold_models",
    "repository_root",
]
