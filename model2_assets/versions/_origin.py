"""What a result was made from, as far as its old versions need to know."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.training import Manifest, Provenance

SETTINGS = "settings"
"""Input under which a digest of trainer, parameters, seed and weights stands."""


@dataclass(frozen=True)
class Origin:
    """Identity of a result: its values, and what they were made from.

    Attributes
    ----------
    data_version : str
        Digest of the values.
    inputs : mapping of str to str
        Data version of every asset that it was made from; for models, the digest of their
        settings besides, as ``settings``.
    rows : int or None
        Rows of a table, or number of models.
    """

    data_version: str
    inputs: Mapping[str, str]
    rows: int | None = None


def origin_of(frame: "pd.DataFrame") -> Origin:
    """Return the identity of a table, from its provenance where it states any."""
    from model2_assets.data_version import table_digest
    from model2_assets.provenance import INPUTS, data_version_of, facts_of

    facts = facts_of(frame)
    inputs = dict(facts.get(INPUTS, {}))
    if set(_SETTINGS) <= set(facts):
        inputs[SETTINGS] = _settings_digest(facts)
    return Origin(
        data_version=data_version_of(frame) or table_digest(frame), inputs=inputs, rows=len(frame)
    )


def origin_of_models(
    provenance: "Provenance | Manifest", *, data_version: str, models: int
) -> Origin:
    """Return the identity of fitted models.

    Parameters
    ----------
    provenance : Provenance or Manifest
        Where they come from.
    data_version : str
        Digest of the models.
    models : int
        How many there are.
    """
    settings = {name: getattr(provenance, name) for name in _SETTINGS}
    inputs = {**provenance.data_versions, SETTINGS: _settings_digest(settings)}
    return Origin(data_version=data_version, inputs=inputs, rows=models)


def origin_of_report(html: str) -> Origin:
    """Return the identity of a report, from the ``meta`` element that states its inputs.

    Without such an element nobody can tell what the report was made from, and its inputs
    are empty.
    """
    found = _META.search(html)
    return Origin(
        data_version=hashlib.sha256(html.encode()).hexdigest()[:32],
        inputs=json.loads(unescape(found["inputs"])) if found else {},
    )


def inputs_element(inputs: Mapping[str, str]) -> str:
    """Return the ``meta`` element by which a report states what it was made from."""
    return (
        f'<meta name="{_META_NAME}" content="{escape(json.dumps(dict(inputs), sort_keys=True))}">'
    )


_SETTINGS = ("trainer", "params", "seed", "sample_weights")


def _settings_digest(facts: Mapping[str, Any]) -> str:
    from model2_assets.data_version import document_digest

    return document_digest({name: facts[name] for name in _SETTINGS})


_META_NAME = "model2-inputs"
_META = re.compile(rf'<meta name="{_META_NAME}" content="(?P<inputs>[^"]*)">')
