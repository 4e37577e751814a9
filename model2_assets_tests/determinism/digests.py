"""What a store holds, as one digest of values per asset."""

from collections.abc import Sequence

from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.record import document_digest
from model2_assets_tests.sample_tables import OF_PARTITIONS

UNPARTITIONED = ("market_data", "labels", "features", "cv_splits", "stacking_frame")
ASSETS = (*UNPARTITIONED[:4], *OF_PARTITIONS, UNPARTITIONED[4])
"""In the order of the graph. Leaderboard and reports state times, so no two are alike."""


def digests_of(store: Store, partitions: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Digest every asset of region ``us``.

    Parameters
    ----------
    store : Store
        Where they are.
    partitions : sequence of (str, str)
        Horizon and model.

    Returns
    -------
    dict of str to str
        Asset to a digest of its values in all partitions; of models, of the bytes of their
        files as well.
    """
    found = {asset: _digest(store, Address("us", asset)) for asset in UNPARTITIONED}
    for asset in OF_PARTITIONS:
        addresses = [Address("us", asset, horizon, model) for horizon, model in partitions]
        found[asset] = document_digest({str(a): _digest(store, a) for a in addresses})
    return {asset: found[asset] for asset in ASSETS}


def _digest(store: Store, address: Address) -> str:
    if address.product.format != "fold_models":
        return table_digest(store.read(address))
    files = store.open_models(address).manifest.folds
    return document_digest({f.file: (f.sha256, f.digest, f.n_train, f.n_test) for f in files})
