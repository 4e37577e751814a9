"""Whether input files have changed, from what their file system tells, without reading them."""

from dataclasses import dataclass

from model2_assets.config import MarketDataConfig
from model2_assets.data_version import document_digest
from model2_assets.market_data._csv import CSV_SUFFIXES
from model2_assets.market_data._files import list_files
from model2_assets.market_data._parquet import PARQUET_SUFFIXES


@dataclass(frozen=True)
class InputFingerprint:
    """State of the files that market data are read from.

    Attributes
    ----------
    digest : str
        Differs once a file is added, removed, or of another size, time of change or entity
        tag.
    n_files : int
        How many files there are.
    """

    digest: str
    n_files: int


def fingerprint_inputs(config: MarketDataConfig) -> InputFingerprint | None:
    """Return the state of the files that market data are read from.

    Parameters
    ----------
    config : MarketDataConfig
        The source; the universe file counts too.

    Returns
    -------
    InputFingerprint or None
        None where the source reads no file.

    Raises
    ------
    MarketDataError
        If a path cannot be reached, or no file is there.
    """
    files = []
    if config.path is not None:
        suffixes = {"parquet": PARQUET_SUFFIXES, "csv": CSV_SUFFIXES}[config.source]
        files += list_files(config.path, suffixes=suffixes)
    if config.universe is not None:
        suffixes = (*CSV_SUFFIXES, *PARQUET_SUFFIXES)
        files += list_files(config.universe, suffixes=suffixes, key="market_data.universe")
    if not files:
        return None
    return InputFingerprint(
        digest=document_digest({file.name: file.stamp for file in files}), n_files=len(files)
    )
