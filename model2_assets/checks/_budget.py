"""Check of what a region costs against its budgets."""

from typing import Protocol

import pandas as pd

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.costs import total_costs

_WARN_SHARE = 0.8


class Budgets(Protocol):
    """The limits that are looked at, as the configuration has them under ``checks``."""

    @property
    def hours(self) -> float:
        """Wall time of a region's steps, hours."""

    @property
    def rss_gb(self) -> float:
        """Peak resident memory, 10^9 bytes."""

    @property
    def models_mb(self) -> float:
        """Fold models together, 10^6 bytes."""


def check_within_budget(
    models_bytes: int, costs: pd.DataFrame | None = None, *, budgets: Budgets
) -> CheckOutcome:
    """Check what a region costs: time, memory, and the size of its fold models.

    Parameters
    ----------
    models_bytes : int
        Size of all fold models of the region, bytes.
    costs : DataFrame of shape (n_results, 6), optional
        What every step cost, columns of `model2_assets.costs.COLUMNS`; None where that is
        not known, and only the models are looked at.
    budgets : Budgets
        The limits; what reaches one is beyond it.

    Returns
    -------
    CheckOutcome
        Named ``within_budget``. Of severity ``warn`` where something takes 80% of its budget,
        of severity ``error`` where something is beyond; it rejects no candidate, since a
        result that was dear is still right.
    """
    used = {"models_mb": models_bytes / 1e6}
    unknown: tuple[str, ...] = ()
    if costs is not None:
        total = total_costs(costs)
        used |= {"hours": total.hours, "rss_gb": total.peak_rss_gb}
        unknown = total.unknown
    shares = {name: value / getattr(budgets, name) for name, value in used.items()}
    dear = [name for name, share in shares.items() if share >= _WARN_SHARE]
    figures = {name: _figure(name, used[name], getattr(budgets, name)) for name in used}
    return CheckOutcome(
        "within_budget",
        passed=not dear,
        severity="warn" if dear and max(shares.values()) < 1 else "error",
        rejects=False,
        description=(
            "; ".join(f"{figures[name]} (checks.{name})" for name in dear)
            + ": make the region smaller or its models cheaper, or raise the budget"
            if dear
            else ", ".join(figures.values())
        )
        + (f"; not counted, since not known: {', '.join(unknown)}" if unknown else ""),
        values={
            **used,
            **{f"{name}_share": share for name, share in shares.items()},
            "steps_without_costs": len(unknown),
        },
    )


def _figure(name: str, used: float, limit: float) -> str:
    what, unit = _TEXTS[name]
    return f"{what} {used:,.3g} of {limit:,g} {unit}, {used / limit:.0%}"


_TEXTS = {
    "models_mb": ("fold models take", "MB"),
    "hours": ("steps took", "hours"),
    "rss_gb": ("memory peaked at", "GB"),
}
