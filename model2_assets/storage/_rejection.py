"""Putting a candidate that failed its checks aside."""

from typing import Any

from upath import UPath

from model2_assets.files import write_atomically
from model2_assets.rejected import new_rejected_name, prune_rejected
from model2_assets.storage._address import Address
from model2_assets.storage._models import write_models


def put_aside(folder: UPath, address: Address, value: Any, *, keep: int) -> UPath:
    """Write a candidate into a folder of which the newest `keep` stay; return where it is."""
    name = new_rejected_name()
    prune_rejected(folder, keep=keep - 1)
    if address.product.format == "fold_models":
        write_models(folder / name, value)
        return folder / name
    if address.product.format == "html":
        path = folder / f"{name}.html"
        write_atomically(path, value.encode())
        return path
    from model2_assets.tables import encode_anything

    path = folder / f"{name}.parquet"
    write_atomically(path, encode_anything(value))
    return path
