"""The 158 features by this package."""

import pandas as pd

from benchmarks.inputs import Inputs
from benchmarks.outcome import Outcome
from model2_assets.features import build_features_from_config, normalize_cross_sections
from model2_assets.panel import date_codes


def run(inputs: Inputs, *, clean: bool = False) -> Outcome:
    """Compute and rank the features of a market, on every core.

    Parameters
    ----------
    inputs : Inputs
        The market.
    clean : bool, default False
        Take the market without faults, and hand the unranked values back.

    Returns
    -------
    Outcome
        Phases ``values`` and ``rank``. Kernels that were compiled before are found on
        disk; loading them is in ``values``.
    """
    outcome = Outcome()
    with outcome.phase("load"):
        panel = _panel(inputs, clean=clean)
    with outcome.phase("values"):
        features = build_features_from_config(panel, {"normalization": "none"})
    if clean:
        outcome.arrays["features"] = features.to_numpy()
        return outcome
    with outcome.phase("rank"):
        assert isinstance(features.index, pd.MultiIndex)
        values = features.to_numpy()
        values.setflags(write=True)
        normalize_cross_sections(values, date_codes(features.index).starts, method="rank")
    return outcome


def _panel(inputs: Inputs, *, clean: bool) -> pd.DataFrame:
    bars = pd.read_parquet(inputs.clean_market if clean else inputs.market)
    return bars.set_index(["instrument", "datetime"])
