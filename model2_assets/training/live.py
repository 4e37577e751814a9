"""Predictions of the rows whose horizon has not ended: what is traded from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from model2_assets.config.partition import Partition, horizon_days
from model2_assets.errors import StoreError
from model2_assets.panel import to_canonical
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.provenance import (
    INPUTS,
    data_version_of,
    data_versions_of,
    facts_of,
    require_made_from,
    with_provenance,
)
from model2_assets.training.data import refuse_infinity, take_rows
from model2_assets.training.model_registry import ModelRegistry
from model2_assets.training.models import StoredFoldModels
from model2_assets.training.predict import predict_matrix
from model2_assets.training.task import Task


def find_live_rows(
    market_data: pd.DataFrame, features: pd.DataFrame, *, bars: int
) -> pd.MultiIndex:
    """Find the rows whose horizon has not ended, of instruments still trading.

    A row is live if

    - it has features,
    - its instrument has fewer than `bars` own bars after it, so that the bar at which its
      position ends is still to come, and
    - its instrument has a bar on the last date of the panel, and is in the universe there.

    The last date itself is included. A row whose exit bar is there but which has no label,
    as after a long gap, is not live: its horizon is over. Nor are the last rows of an
    instrument that was delisted, is halted on the last date, or has left the universe:
    it cannot be traded.

    Parameters
    ----------
    market_data : DataFrame of shape (n_bars, n_columns)
        With ``in_universe``; all True where absent. Bars outside the universe count as own
        bars, as they do for labels.
    features : DataFrame of shape (n_feature_rows, n_features)
        Panel frame.
    bars : int
        Own bars from a row to its exit: execution lag and horizon together.

    Returns
    -------
    MultiIndex of shape (n_live_rows,)
        Levels ``(instrument, datetime)``, sorted by instrument, then datetime.
    """
    panel = to_canonical(market_data)
    index = panel.index
    assert isinstance(index, pd.MultiIndex)
    dates = index.get_level_values("datetime")
    on_last_date = np.asarray(dates == dates.max())
    if "in_universe" in panel:
        on_last_date &= panel["in_universe"].to_numpy(dtype=bool)
    tradable = index.get_level_values("instrument")[on_last_date]
    own_bars_after = panel.groupby(level="instrument").cumcount(ascending=False).to_numpy()
    too_recent = index[own_bars_after < bars]
    live = too_recent[too_recent.get_level_values("instrument").isin(tradable)]
    rows = live[live.isin(features.index)].sort_values()
    assert isinstance(rows, pd.MultiIndex)
    return rows


@dataclass(frozen=True, eq=False)
class LivePredictions:
    """Live predictions of one horizon and model.

    Attributes
    ----------
    live : DataFrame of shape (n_live_rows, 1)
        ``prediction`` (float64, bps), indexed by ``(instrument, datetime)`` and sorted by
        instrument, then datetime.
    bars : int
        Own bars from a row to its exit.
    """

    live: pd.DataFrame
    bars: int

    @property
    def data_version(self) -> str:
        """Digest of the predictions."""
        return data_version_of(self.live)

    def extremes(self, n_names: int = 10) -> pd.DataFrame:
        """Return the newest date's highest and lowest predictions.

        Parameters
        ----------
        n_names : int, default 10
            Names at either end; all of them where there are fewer than twice as many.

        Returns
        -------
        DataFrame of shape (n_rows, 4)
            ``rank`` (1 is the highest), ``instrument``, ``datetime`` and ``prediction`` (bps),
            from the highest down.
        """
        table = self.live.reset_index()
        newest = table[table["datetime"] == table["datetime"].max()]
        ranked = newest.sort_values(["prediction", "instrument"], ascending=[False, True])
        ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
        middle = ranked.iloc[n_names : max(len(ranked) - n_names, n_names)]
        ends: pd.DataFrame = ranked.drop(index=middle.index)
        return ends


def make_live(
    registry: ModelRegistry,
    stored: StoredFoldModels,
    *,
    market_data: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    oof_predictions: pd.DataFrame,
    oof_paths: pd.DataFrame,
    execution_lag_days: int,
) -> LivePredictions:
    """Predict every row that is too recent to have a label, of instruments still trading.

    Parameters
    ----------
    registry : ModelRegistry
        Knows the settings that the model must have.
    stored : StoredFoldModels
        The final model of one horizon and model.
    market_data, features, labels, oof_predictions, oof_paths : DataFrame
        Stored tables, with their provenance. The last are what the live predictions are
        compared with.
    execution_lag_days : int
        Own bars from a row to its entry.

    Returns
    -------
    LivePredictions
        The predictions, with their provenance.

    Raises
    ------
    StoreError
        If the final model was trained on other features (named), on other versions of its
        inputs, or with other settings; or if its file is damaged.
    TrainingError
        If a feature is infinite.

    Notes
    -----
    Which rows are live is said in `find_live_rows`.
    """
    manifest = stored.manifest
    partition = Partition(manifest.horizon, manifest.model)
    Task.of(registry, partition, region=manifest.region).require_same_settings(
        "final_models", manifest
    )
    _require_same_features(manifest.feature_names, tuple(map(str, features.columns)))
    versions = data_versions_of(
        market_data=market_data, features=features, labels=labels, oof_predictions=oof_predictions
    )
    for asset, table in {"features": features, "labels": labels}.items():
        require_made_from(asset, facts_of(table).get(INPUTS, {}), versions)
    require_made_from("final_models", manifest.data_versions, versions)
    require_made_from("oof_paths", facts_of(oof_paths).get(INPUTS, {}), versions)
    bars = execution_lag_days + horizon_days(manifest.horizon)
    rows = find_live_rows(market_data, features, bars=bars)
    live = _predict(stored, features, rows)
    dates = rows.get_level_values("datetime")
    marked = with_provenance(
        live,
        data_version=table_digest(live),
        inputs={**versions, "final_models": manifest.data_version},
        region=manifest.region,
        horizon=manifest.horizon,
        model=manifest.model,
        oldest_date=f"{dates.min():%Y-%m-%d}" if len(rows) else "",
        newest_date=f"{dates.max():%Y-%m-%d}" if len(rows) else "",
    )
    return LivePredictions(live=marked, bars=bars)


def _predict(stored: StoredFoldModels, features: pd.DataFrame, rows: pd.MultiIndex) -> pd.DataFrame:
    X = take_rows(features, np.asarray(features.index.get_indexer(rows), dtype=np.intp))
    refuse_infinity(X, rows, stored.manifest.feature_names)
    prediction = predict_matrix(stored.load(0), X, np.arange(len(rows)))
    return pd.DataFrame({"prediction": prediction}, index=rows)


def _require_same_features(trained: tuple[str, ...], present: tuple[str, ...]) -> None:
    """Refuse features of other names, or in another order, than a model was trained on."""
    if trained == present:
        return
    unknown = [name for name in present if name not in trained]
    absent = [name for name in trained if name not in present]
    moved = [name for name, other in zip(present, trained, strict=False) if name != other]
    if unknown:
        problem = f"features has {unknown[0]!r}, which final_models was not trained on"
    elif absent:
        problem = f"features lacks {absent[0]!r}, which final_models was trained on"
    else:
        problem = f"features has {moved[0]!r} in another place than final_models was trained with"
    raise StoreError(f"{problem}; materialize final_models again")
