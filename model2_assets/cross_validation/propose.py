"""How many groups to cut and test: what purging and the embargo leave of a history."""

from dataclasses import dataclass
from math import comb

import pandas as pd

from model2_assets.cross_validation.roles import Role, count_roles
from model2_assets.cross_validation.splitter import PurgedEmbargoedTimeSeriesSplit, as_integer
from model2_assets.errors import CrossValidationError
from model2_assets.panel import panel_index


@dataclass(frozen=True)
class CPCVProposal:
    """A proposed number of groups and of test groups, and what others would cost.

    Attributes
    ----------
    candidates : DataFrame of shape (n_candidates, 13)
        Best first. ``n_groups``, ``n_test_groups``, ``n_splits`` (model fits of every
        horizon and model), ``n_paths``; and as means over the splits, in dates:
        ``test_dates``, ``ideal_train_dates`` (all that are not tested), ``train_dates``
        (what purging and the embargo leave), ``purged_dates``, ``embargoed_dates``;
        ``least_train_dates``: those of the split that keeps fewest; ``train_share``:
        ``train_dates`` over all dates; ``kept_share``: ``train_dates`` over the ideal;
        ``shortfall``: by how much, relative to what was wanted, train dates and paths
        fall short, added up; 0 where both wishes are met.
    n_dates : int
        Dates of the history.
    """

    candidates: pd.DataFrame
    n_dates: int

    @property
    def n_groups(self) -> int:
        """Proposed number of groups."""
        return int(self.candidates["n_groups"].iloc[0])

    @property
    def n_test_groups(self) -> int:
        """Proposed number of groups tested together."""
        return int(self.candidates["n_test_groups"].iloc[0])

    @property
    def text(self) -> str:
        """The proposal and its cost in words."""
        best = self.candidates.iloc[0]
        wishes = "" if best["shortfall"] == 0 else "; the wishes cannot all be met"
        return (
            f"{best['n_splits']:.0f} splits, {best['n_paths']:.0f} paths; a model trains on "
            f"{best['train_dates']:,.0f} of {self.n_dates:,} dates, {best['kept_share']:.0%} of "
            f"the ideal {best['ideal_train_dates']:,.0f}: purging takes "
            f"{best['purged_dates']:,.0f}, the embargo {best['embargoed_dates']:,.0f}{wishes}"
        )


def propose_cpcv(
    n_dates: int,
    *,
    label_window: int = 64,
    embargo_days: int = 5,
    train_share: float = 0.6,
    n_paths: int = 5,
    max_groups: int = 20,
    max_splits: int = 100,
) -> CPCVProposal:
    """Propose how many groups to cut, and how many of them to test together.

    Every choice up to `max_groups` groups and `max_splits` splits is tried on the dates,
    by the splitter itself. Of the choices that leave the wanted train dates and give the
    wanted paths, the one with fewest model fits comes first; where none does, the one that
    falls short least.

    Purging takes up to `label_window` dates on either side of every test block, and the
    embargo some more after it. With a window of a quarter, that is dear in a short history,
    and dearer the more blocks there are.

    Parameters
    ----------
    n_dates : int
        Distinct dates with a label.
    label_window : int, default 64
        Dates from a row to its label end: the longest horizon and the execution lag.
    embargo_days : int, default 5
        Dates dropped after a test block, on top of the purge.
    train_share : float, default 0.6
        Wanted dates to train on, as a share of all dates.
    n_paths : int, default 5
        Wanted number of complete recombined histories.
    max_groups : int, default 20
        Most groups to try.
    max_splits : int, default 100
        Most splits to try: each is a fit of every model and horizon.

    Returns
    -------
    CPCVProposal
        The proposal, and every candidate with its cost.

    Raises
    ------
    CrossValidationError
        If a setting is out of range.

    Examples
    --------
    Five years of daily bars, and labels of 63 days traded one day later:

    >>> proposal = propose_cpcv(5 * 252 - 64, label_window=64)
    >>> proposal.n_groups, proposal.n_test_groups
    (9, 2)
    >>> proposal.text.split(": ")  # doctest: +NORMALIZE_WHITESPACE
    ['36 splits, 8 paths; a model trains on 723 of 1,196 dates, 78% of the ideal 930',
     'purging takes 199, the embargo 8']
    """
    least = {"label_window": 0, "embargo_days": 0, "n_paths": 1, "max_groups": 2, "max_splits": 2}
    wishes = (label_window, embargo_days, n_paths, max_groups, max_splits)
    for (name, minimum), value in zip(least.items(), wishes, strict=True):
        as_integer(name, value, minimum=minimum)
    n_dates = as_integer("n_dates", n_dates, minimum=2)
    if not 0 < train_share < 1:
        raise CrossValidationError(
            f"train_share must be above 0 and below 1, got {train_share}; it is a share of dates"
        )
    splitters = [
        PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k, embargo_days=embargo_days)
        for n_groups in range(2, min(max_groups, n_dates) + 1)
        for k in range(1, n_groups)
        if comb(n_groups, k) <= max_splits
    ]
    calendar = pd.date_range("2000-01-01", periods=n_dates + label_window)
    index = panel_index(["A"] * n_dates, calendar[:n_dates])
    candidates = pd.DataFrame([_cost(cv, index, calendar[label_window:]) for cv in splitters])
    too_few_dates = (1 - candidates["train_share"] / train_share).clip(lower=0)
    too_few_paths = (1 - candidates["n_paths"] / n_paths).clip(lower=0)
    candidates["shortfall"] = too_few_dates + too_few_paths
    ranked = candidates.sort_values(
        ["shortfall", "n_splits", "train_dates", "n_groups"],
        ascending=[True, True, False, True],
        kind="stable",
        ignore_index=True,
    )
    return CPCVProposal(candidates=ranked, n_dates=n_dates)


def _cost(
    cv: PurgedEmbargoedTimeSeriesSplit, index: pd.MultiIndex, label_end: pd.DatetimeIndex
) -> dict[str, int | float]:
    """Count what every date does in every split, on a single series."""
    roles, n_dates = cv.roles(index, label_end=label_end), len(index)
    train = (roles == Role.TRAIN).sum(axis=0)
    counts = {name: count / cv.n_splits for name, count in count_roles(roles).items()}
    ideal = n_dates - counts["test"]
    return {
        "n_groups": cv.n_groups,
        "n_test_groups": cv.n_test_groups,
        "n_splits": cv.n_splits,
        "n_paths": cv.n_paths,
        "test_dates": counts["test"],
        "ideal_train_dates": ideal,
        "train_dates": counts["train"],
        "purged_dates": counts["purged_before"] + counts["purged_after"],
        "embargoed_dates": counts["embargoed"],
        "least_train_dates": int(train.min()),
        "train_share": counts["train"] / n_dates,
        "kept_share": counts["train"] / ideal,
    }
