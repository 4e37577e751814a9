"""The name of a stored result."""

from collections.abc import Mapping
from dataclasses import dataclass

from model2_assets.errors import StoreError
from model2_assets.names import NAME_RULE, is_horizon, is_name
from model2_assets.storage._products import PRODUCTS, Format, Product

_SUFFIXES: Mapping[Format, str] = {"parquet": ".parquet", "json_lines": ".jsonl", "fold_models": ""}

REPORT_FILE = "report.html"
"""Name of every report: what people look for and send on."""


@dataclass(frozen=True)
class Address:
    """Names one stored result.

    Attributes
    ----------
    region, asset : str
        Such as ``us`` and ``oof_predictions``.
    horizon, model : str or None
        Such as ``21d`` and ``ridge``; None for unpartitioned assets.

    Raises
    ------
    StoreError
        If one of them could not be a folder's name on every file system.
    """

    region: str
    asset: str
    horizon: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could lead out of the base path."""
        names = {"region": self.region, "asset": self.asset, "model": self.model}
        for what, name in names.items():
            if name is not None and not is_name(name):
                raise StoreError(f"{what} {name!r} is no name; a name is {NAME_RULE}")
        if self.horizon is not None and not is_horizon(self.horizon):
            raise StoreError(f"horizon {self.horizon!r} is not of the form 21d")

    @property
    def product(self) -> Product:
        """How the asset is stored."""
        return PRODUCTS[self.asset]

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and the name of the file, without suffix."""
        partition = (self.horizon, self.model) if self.horizon and self.model else ()
        return (self.region, self.asset, *partition)

    @property
    def file_parts(self) -> tuple[str, ...]:
        """Folders and the name of the file or folder, as it is on disk."""
        if self.product.format == "html":
            return (*self.parts, REPORT_FILE)
        return (*self.parts[:-1], self.parts[-1] + _SUFFIXES[self.product.format])

    @property
    def file_name(self) -> str:
        """Name of the file or folder."""
        return self.file_parts[-1]

    def __str__(self) -> str:
        """Return the path below the base."""
        return "/".join(self.file_parts)
