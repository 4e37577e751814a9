"""Putting a model and horizon back to an old version, all of its results together.

A rollback is planned, verified and then restored. Nothing is replaced before every file
that will be has been read and found whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from model2_assets.errors import StoreError
from model2_assets.storage.address import Address
from model2_assets.storage.archive import find_version
from model2_assets.storage.models import StoredFoldModels
from model2_assets.storage.record import Record
from model2_assets.storage.store import Store

PREDICTIONS = "oof_predictions"

REQUIRED = ("fitted_models", "oof_paths", "feature_importance", "cv_scores")
"""What belongs to out-of-fold predictions, in the order in which it is made."""

OPTIONAL = ("nested_oof", "final_models", "live_predictions", "tear_sheet")
"""What may belong to them besides."""

_SHARED = ("labels", "features", "cv_splits")
_ORDER = (
    PREDICTIONS,
    "oof_paths",
    "nested_oof",
    "feature_importance",
    "cv_scores",
    "tear_sheet",
    "live_predictions",
    "final_models",
    "fitted_models",
)


@dataclass(frozen=True)
class Rollback:
    """Which version of every result is restored.

    In the order of restoring: the predictions first and the models behind them last, so that a
    rollback that is killed in between shows as predictions of other models, which the checks
    name. Left as is are stored results of which no version belongs to these predictions.
    """

    predictions: Address
    versions: Mapping[str, Record]
    left_as_is: tuple[str, ...]

    @property
    def made_from(self) -> Mapping[str, str]:
        """Data versions of the inputs that all partitions share."""
        inputs = self.versions["fitted_models"].inputs
        return {name: inputs[name] for name in _SHARED if name in inputs}


def plan_rollback(store: Store, predictions: Address, prefix: str) -> Rollback:
    """Find out what a rollback to a version of predictions restores; none has been read yet.

    The version is given by at least six leading digits. StoreError if there is no such version,
    or a result that belongs to it is no longer kept.
    """
    what = f"{predictions.region} {predictions.horizon} {predictions.model}"
    chosen = find_version(store.archive.versions(predictions), prefix, what=what)
    members = members_of(store, predictions, chosen)
    missing = [asset for asset in REQUIRED if asset not in members]
    if missing:
        raise StoreError(
            f"{what}: version {chosen.short} cannot be restored, no kept version of "
            f"{' and '.join(missing)} belongs to it; choose another version, or retrain"
        )
    found = {PREDICTIONS: chosen, **members}
    return Rollback(
        predictions=predictions,
        versions={asset: found[asset] for asset in _ORDER if asset in found},
        left_as_is=tuple(
            asset
            for asset in OPTIONAL
            if asset not in found and store.exists(replace(predictions, asset=asset))
        ),
    )


def members_of(store: Store, predictions: Address, version: Record) -> dict[str, Record]:
    """Return the kept results that belong to a version of out-of-fold predictions, by asset.

    A result belongs to it where every input that both were made from, directly or through
    each other, has the same data version; of several, the last published.
    """
    known = {**version.made_from, PREDICTIONS: version.data_version}
    members: dict[str, Record] = {}
    for asset in (*REQUIRED, *OPTIONAL):
        address = replace(predictions, asset=asset)
        for kept in store.archive.versions(address):
            stated = {**kept.made_from, asset: kept.data_version}
            if kept.inputs and _agree(known, stated):
                members[asset] = kept
                known |= stated
                break
    return members


def scores_of(store: Store, predictions: Address, versions: Sequence[Record]) -> dict[str, Record]:
    """Return the kept scores of versions of the predictions, by the hash of these."""
    kept = store.archive.versions(replace(predictions, asset="cv_scores"))
    found = {}
    for version in versions:
        known = {**version.made_from, PREDICTIONS: version.data_version}
        fitting = (scores for scores in kept if scores.inputs and _agree(known, scores.made_from))
        scores = next(fitting, None)
        if scores is not None:
            found[version.sha256] = scores
    return found


def kept_models(store: Store, rollback: Rollback) -> Iterator[tuple[Address, StoredFoldModels]]:
    """Yield the models that a rollback restores, each with its address; none is read."""
    for asset, version in rollback.versions.items():
        address = replace(rollback.predictions, asset=asset)
        if address.product.format == "fold_models":
            yield address, store.read_version(address, version)


def verify_rollback(store: Store, rollback: Rollback) -> None:
    """Read every file that a rollback restores, before any is replaced."""
    for _, models in kept_models(store, rollback):
        models.verify()
    for asset, version in rollback.versions.items():
        store.read_version(replace(rollback.predictions, asset=asset), version)


def restore(store: Store, rollback: Rollback) -> Iterator[str]:
    """Replace the current results by verified ones, each in one step; yield each asset then."""
    for asset, version in rollback.versions.items():
        address = replace(rollback.predictions, asset=asset)
        store.restore(address, version)
        yield asset


def _agree(known: Mapping[str, str], inputs: Mapping[str, str]) -> bool:
    return all(known[name] == inputs[name] for name in set(known) & set(inputs))
