"""One row of the catalogue: what is planted, and what must come of it."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

Stage = Literal["config", "data", "labels", "features", "splits"]

Content = bytes | str | pa.Table | pd.DataFrame


@dataclass(frozen=True)
class Refused:
    """Nothing is made; the message is exactly this, with the folder as ``{folder}``."""

    message: str


@dataclass(frozen=True)
class Handled:
    """A stated rule applies, and the metadata count it, exactly so."""

    counts: Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes
    ----------
    id : str
        Short name.
    planted : str
        What is wrong, in words.
    enters : str
        Where it enters.
    files : mapping of str to Content
        Files to write, by name in the case's folder.
    config : str
        The YAML file, with the folder as ``{folder}``.
    outcome : Refused or Handled
        What must come of it.
    until : Stage
        How far down the graph the input is taken.
    prepare : callable, optional
        What is done to the folder besides.
    is_nobody : bool
        Whether a user without rights reads it.
    act : callable, optional
        What is done in place of going down the graph; returns what it counts.
    """

    id: str
    planted: str
    enters: str
    config: str | bytes
    outcome: Refused | Handled
    files: Mapping[str, Content] = field(default_factory=dict)
    until: Stage = "labels"
    prepare: Callable[[Path], None] | None = None
    is_nobody: bool = False
    act: Callable[[Path], Mapping[str, int]] | None = None


def plant(case: Case, folder: Path) -> Path:
    """Write the files of a case; return the path of its configuration."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
    if case.prepare is not None:
        case.prepare(folder)
    config = folder / "config.yaml"
    text = case.config
    config.write_bytes(
        text if isinstance(text, bytes) else text.replace("{folder}", str(folder)).encode()
    )
    return config


def as_bytes(content: Content) -> bytes:
    """Return a file's bytes; tables become Parquet."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, pd.DataFrame):
        content = pa.Table.from_pandas(content, preserve_index=False)
    sink = io.BytesIO()
    pq.write_table(content, sink)
    return sink.getvalue()


SHORT_LABELS = {"horizons": [2], "execution_lag_days": 0, "min_names": 1}
"""Labels that a dozen bars of a single name are enough for."""


def region_config(market_data: Mapping[str, Any], **sections: Any) -> str:
    """Return YAML of a region ``us`` with these market data."""
    region = {"market_data": dict(market_data), "labels": SHORT_LABELS, **sections}
    return str(yaml.safe_dump({"regions": {"us": region}}, sort_keys=False))
