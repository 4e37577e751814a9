"""Types of values that several sections have."""

from typing import Annotated

from pydantic import AfterValidator, Field

from model2_assets.names import NAME_RULE, is_name
from model2_assets.redaction import NO_SECRET_IN_URLS, url_carries_secret


def _safe_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"a name is {NAME_RULE}")
    return name


def _url_without_secret(url: str) -> str:
    if url_carries_secret(url):
        raise ValueError(NO_SECRET_IN_URLS)
    return url


Name = Annotated[str, AfterValidator(_safe_name)]
"""A region or model name: it becomes a folder and part of an asset key."""

NonEmpty = Annotated[str, Field(min_length=1)]

Location = Annotated[NonEmpty, AfterValidator(_url_without_secret)]
"""A file, folder, glob or URL."""

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``package.module:name``."""
