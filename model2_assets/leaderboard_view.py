"""The leaderboard as tables and matrices for a page: rounded, with units in the headings."""

import numpy as np
import pandas as pd

from model2_assets.scores_figures import FIGURES, times

_VERSION_DIGITS = 12


def readable_board(board: pd.DataFrame) -> pd.DataFrame:
    """Return a leaderboard for people.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    DataFrame of shape (n_partitions, n_headings)
        ``horizon``, ``model``, a rounded column for each of `FIGURES`, the first 12 digits of
        the data version, and when the models were made (text, UTC). Of columns that say
        nothing, those of paths are left out where there is one path.
    """
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    figures = [figure for figure in FIGURES if several_paths or not figure.of_paths]
    return pd.DataFrame(
        {
            "horizon": board["horizon"],
            "model": board["model"],
            **{figure.title: figure.numbers(board) for figure in figures},
            "data version": board["data_version"].str[:_VERSION_DIGITS],
            "trained (UTC)": times(board["trained_at"], "%Y-%m-%d %H:%M"),
        }
    )


def readable_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Return what became of every rank IC, for people.

    Parameters
    ----------
    changes : DataFrame of shape (n_partitions, n_columns)
        From `rank_ic_changes`.

    Returns
    -------
    DataFrame of shape (n_partitions, 7)
        Figures to four digits after the point; ``change / standard error`` to two.
    """
    named = {
        "rank_ic_before": "rank IC before",
        "rank_ic": "rank IC",
        "rank_ic_change": "change",
        "rank_ic_se": "standard error",
    }
    table = changes[["horizon", "model", *named]].round(4).rename(columns=named)
    ratio = (changes["rank_ic_change"] / changes["rank_ic_se"]).round(2)
    predictions = changes["predictions_changed"].map({True: "new", False: "the same"})
    return table.assign(**{"change / standard error": ratio, "predictions": predictions})


def numbers_of_partitions(board: pd.DataFrame) -> dict[str, float]:
    """Return the numbers of every model and horizon under names that stay.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    dict of str to float
        Such as ``rank_ic_21d_ridge``: ``rank_ic``, ``icir``, ``rmse_bps``, ``coverage``,
        ``seconds``, ``peak_rss_mb`` and ``models_mb`` (10^6 bytes); undefined ones left out.
    """
    numbers = pd.DataFrame(
        {
            "rank_ic": board["rank_ic"],
            "icir": board["icir"],
            "rmse_bps": np.sqrt(board["mse"]),
            "coverage": board["coverage"],
            "seconds": board["seconds"],
            "peak_rss_mb": board["peak_rss_bytes"] / 1e6,
            "models_mb": board["models_bytes"] / 1e6,
        }
    )
    partitions = board["horizon"] + "_" + board["model"]
    return {
        f"{name}_{partition}": float(value)
        for name, column in numbers.items()
        for partition, value in zip(partitions, column, strict=True)
        if np.isfinite(value)
    }


def rank_ic_matrix(board: pd.DataFrame) -> pd.DataFrame:
    """Return the rank IC of every model and horizon.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    DataFrame of shape (n_models, n_horizons), float64
        Models by name, horizons from the shortest; NaN where a partition is missing.
    """
    horizons = sorted(set(board["horizon"]), key=lambda name: int(name.removesuffix("d")))
    wide = board.pivot_table(
        index="model", columns="horizon", values="rank_ic", dropna=False, aggfunc="first"
    )
    return wide.reindex(index=sorted(set(board["model"])), columns=horizons)
