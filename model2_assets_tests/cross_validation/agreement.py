"""Our splits against the rules restated row by row, O(n^2), on random small panels.

``python -m model2_assets_tests.cross_validation.agreement`` tries them and prints counts.
"""

import argparse
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, seed, settings

from model2_assets.cross_validation import build_cv_splits, prove_no_overlap
from model2_assets_tests.cross_validation.panels import (
    RandomCase,
    brute_force_forward_roles,
    brute_force_roles,
    count_leaks,
    dates_of,
    random_cases,
    touching,
)

SCHEMES = ("cpcv", "walk_forward")
PURGES = ("longest_horizon", "per_horizon")


def can_be_split(case: RandomCase) -> bool:
    return len(np.unique(dates_of(case.longest_end.index))) >= case.config.n_groups


def require_agreement(case: RandomCase) -> dict[str, int]:
    """Build the splits of a case, compare them with the oracle, and count what was compared."""
    labels = case.labels
    table = build_cv_splits(case.index, labels, case.config)
    expected = expected_table(case)
    pd.testing.assert_frame_equal(table, expected)
    proof = prove_no_overlap(table, labels)
    assert (proof.n_overlaps, proof.first_overlap) == (0, None)
    for name in table.columns[1:]:
        _require_nothing_amiss(table[name], _ends_of_column(case, name, table.index))
    _require_times_tested(case, table)
    n_columns = table.shape[1] - 1
    return {"panels": 1, "splits": n_columns, "roles": n_columns * len(table)}


def expected_groups(case: RandomCase) -> list[np.ndarray]:
    """Return the dates of every group."""
    dates, rows = np.unique(dates_of(case.longest_end.index), return_counts=True)
    n_groups, total = case.config.n_groups, rows.sum()
    if case.config.balance == "dates":
        return np.array_split(dates, n_groups)
    begins = [0]
    for group in range(1, n_groups):
        allowed = range(begins[-1] + 1, len(dates) - n_groups + group + 1)
        off = [abs(Fraction(int(group * total), n_groups) - int(rows[:b].sum())) for b in allowed]
        begins.append(allowed[int(np.argmin(off))])
    return np.split(dates, begins[1:])


def expected_table(case: RandomCase) -> pd.DataFrame:
    """Return the cv_splits table as the rules say, by comparing every pair of rows."""
    config, index = case.config, case.longest_end.index
    groups = expected_groups(case)
    group_of = {date: group for group, dates in enumerate(groups) for date in dates}
    table = pd.DataFrame(
        {"group_id": np.array([group_of[date] for date in dates_of(index)], dtype=np.int16)},
        index=index,
    )
    suffixes = [f"_{key}" for key in case.ends] if config.purge == "per_horizon" else [""]
    for suffix in suffixes:
        for split_id in range(config.n_splits or 0):
            name = f"split_{split_id}{suffix}"
            ends = _ends_of_column(case, name, index)
            has_label = ~np.isnat(ends)
            roles = np.full(len(index), 5, dtype=np.int8)
            roles[has_label] = _roles(case, split_id, index[has_label], ends[has_label], groups)
            table[name] = roles
    return table


def _roles(
    case: RandomCase,
    split_id: int,
    index: pd.MultiIndex,
    ends: np.ndarray,
    groups: list[np.ndarray],
) -> np.ndarray:
    config = case.config
    if config.scheme == "walk_forward":
        first = config.train_groups or 1
        rolling = config.window == "rolling"
        return brute_force_forward_roles(
            index,
            ends,
            groups=groups,
            tested=first + split_id,
            train_groups=first if rolling else None,
        )
    choices = list(combinations(range(config.n_groups), config.n_test_groups))
    return brute_force_roles(
        index, ends, groups=groups, tested=choices[split_id], embargo_days=config.embargo_days
    )


def _require_nothing_amiss(roles: pd.Series, ends: np.ndarray) -> None:
    """Require that no train row touches a test row and that every purged row does."""
    has_label = ~np.isnat(ends)
    index, role = roles.index[has_label], roles.to_numpy()[has_label]
    train, test = np.flatnonzero(role == 0), np.flatnonzero(role == 1)
    assert count_leaks(index, ends[has_label], train, test) == 0
    touches_test = touching(index, ends[has_label])[:, test].any(axis=1)
    assert touches_test[(role == 2) | (role == 3)].all()
    assert not touches_test[role == 4].any()


def _require_times_tested(case: RandomCase, table: pd.DataFrame) -> None:
    config = case.config
    keys = list(case.ends) if config.purge == "per_horizon" else [""]
    for key in keys:
        columns = [name for name in table.columns[1:] if not key or name.endswith(f"_{key}")]
        n_tests = (table[columns] == 1).sum(axis=1).to_numpy()
        has_label = ~np.isnat(_ends_of_column(case, columns[0], table.index))
        if config.scheme == "cpcv":
            wanted = np.where(has_label, comb(config.n_groups - 1, config.n_test_groups - 1), 0)
        else:
            is_tested = table["group_id"].to_numpy() >= (config.train_groups or 1)
            wanted = (has_label & is_tested).astype(int)
        np.testing.assert_array_equal(n_tests, wanted)


def _ends_of_column(case: RandomCase, name: str, index: pd.MultiIndex) -> np.ndarray:
    own = [f"label_end_{key}" for key in case.ends if name.endswith(f"_{key}")]
    ends = case.labels[own[0]] if own else case.longest_end
    return ends.loc[index].to_numpy().astype("datetime64[us]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=300, help="for each scheme and purge")
    panels = parser.parse_args().panels
    print(f"{'scheme':<14}{'purge':<18}{'panels':>8}{'splits':>10}{'roles':>12}  disagreements")
    for scheme in SCHEMES:
        for purge in PURGES:
            counts = _tried(scheme, purge, panels)
            print(
                f"{scheme:<14}{purge:<18}{counts['panels']:>8,}{counts['splits']:>10,}"
                f"{counts['roles']:>12,}  0"
            )


def _tried(scheme: str, purge: str, panels: int) -> dict[str, int]:
    counts = dict.fromkeys(("panels", "splits", "roles"), 0)

    @seed(1)
    @settings(
        deadline=None,
        max_examples=panels,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=random_cases(schemes=(scheme,), purges=(purge,)))
    def compare(case: RandomCase) -> None:
        if can_be_split(case):
            for name, count in require_agreement(case).items():
                counts[name] += count

    compare()
    return counts


if __name__ == "__main__":
    main()
