"""Where results live, and how they are written and read back.

``<base>/<region>/<asset>.parquet`` for unpartitioned assets,
``<base>/<region>/<asset>/<horizon>/<model>.parquet`` (``.jsonl``, or a folder of fold
models) for partitioned ones; a report is ``report.html`` in a folder of that name. Every
write is atomic, every read of a table checks the contract. The last versions of results are
kept under ``<base>/.versions/``; market data, labels, features and splits are not: they are
large, and made again from their source in minutes. Working files, which can be removed at
any time, are under ``<base>/.working/<region>/``.
"""

from model2_assets.rejected import REJECTED
from model2_assets.storage._address import REPORT_FILE, Address
from model2_assets.storage._base import STORAGE_VARIABLE, default_base, repository_root
from model2_assets.storage._local_folders import LOCKS, WORKING
from model2_assets.storage._products import PRODUCTS, WITHOUT_VERSIONS, Format, Product
from model2_assets.storage._publication import MANIFEST_SUFFIX
from model2_assets.storage._record import Attest
from model2_assets.storage._store import Store, default_store

__all__ = [
    "LOCKS",
    "MANIFEST_SUFFIX",
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
    "repository_root",
]
