"""The leaderboard as tables and matrices for a page: rounded, with units in the headings."""

import numpy as np
import pandas as pd

from model2_assets.scores_figures import FIGURES, GROUPS, times

_VERSION_DIGITS = 8


def readable_board(board: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a leaderboard for people, as tables that are narrow enough for a page.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    dict of str to DataFrame of shape (n_partitions, n_headings)
        ``scores``, ``making`` and ``details``: columns ``horizon``, ``model``, and a rounded one
        for each of `FIGURES` of that group; those of paths only where there are several.
        ``making`` also says the data version (8 digits) and when the models were made (text,
        UTC).
    """
    tables: dict[str, pd.DataFrame] = {group: _figures(board, group) for group in GROUPS}
    tables["making"]["version"] = board["data_version"].str[:_VERSION_DIGITS]
    tables["making"]["trained UTC"] = times(board["trained_at"], "%Y-%m-%d %H:%M")
    return tables


def _figures(board: pd.DataFrame, group: str) -> pd.DataFrame:
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    named = {
        figure.title: figure.numbers(board)
        for figure in FIGURES
        if figure.group == group and (several_paths or not figure.of_paths)
    }
    return pd.DataFrame({"horizon": board["horizon"], "model": board["model"], **named})


def readable_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Return what became of every rank IC, for people.

    Parameters
    ----------
    changes : DataFrame of shape (n_partitions, n_columns)
        From `rank_ic_changes`.

    Returns
    -------
    DataFrame of shape (n_partitions, 7)
        Figures to four digits after the point; ``change / error`` to two.
    """
    named = {
        "rank_ic_before": "rank IC before",
        "rank_ic": "rank IC",
        "rank_ic_change": "change",
        "rank_ic_se": "std. error",
    }
    table = changes[["horizon", "model", *named]].round(4).rename(columns=named)
    ratio = (changes["rank_ic_change"] / changes["rank_ic_se"]).round(2)
    predictions = changes["predictions_changed"].map({True: "new", False: "the same"})
    return table.assign(**{"change / error": ratio, "predictions": predictions})


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


def by_model_and_horizon(board: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return one figure of every model and horizon as a matrix.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.
    figure : str
        One of its columns of numbers, such as ``rank_ic``.

    Returns
    -------
    DataFrame of shape (n_models, n_horizons), float64
        Models by name, horizons from the shortest; NaN where a partition is missing.
    """
    horizons = sorted(set(board["horizon"]), key=lambda name: int(name.removesuffix("d")))
    wide = board.pivot_table(
        index="model", columns="horizon", values=figure, aggfunc="first", dropna=False
    )
    return wide.reindex(index=sorted(set(board["model"])), columns=horizons)
