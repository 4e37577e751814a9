"""What was recorded, outside of the store, of a result when it was published."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attestation:
    """Latest record of one result; Dagster's event log holds it.

    Attributes
    ----------
    data_version : str
        Digest of its values; empty if unknown.
    manifest_sha256 : str
        Of models, the hash of their manifest, which names every model file with its hash;
        empty if unknown.
    """

    data_version: str = ""
    manifest_sha256: str = ""
