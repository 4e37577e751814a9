"""What the numbers of a report are not, in the words of its own settings."""

from model2_assets.config import CrossValidationConfig, LabelsConfig, RegionConfig

Caveat = tuple[str, str]


def caveats(config: RegionConfig, *, several_paths: bool) -> tuple[Caveat, ...]:
    """Return what a reader must know before quoting a number.

    Parameters
    ----------
    config : RegionConfig
        Settings of the region.
    several_paths : bool
        Whether a row has several predictions, whose mean is scored.

    Returns
    -------
    tuple of (str, str)
        A keyword and a sentence each.
    """
    found = [
        _validation(config.cross_validation),
        (
            "Overlapping labels",
            "Labels of neighbouring dates share most of their returns. t-statistics and standard "
            "errors are corrected for it; histogram, QQ plot and heatmap describe and prove "
            "nothing.",
        ),
        _labels(config.labels),
        (
            "No costs",
            "Spreads are gross of commissions, market impact, borrowing and financing.",
        ),
    ]
    if several_paths:
        found.insert(
            1,
            (
                "Means flatter",
                "A row's prediction is the mean of several models', which none of them makes. "
                "The table by path scores the predictions as they were made.",
            ),
        )
    return tuple(found)


def _validation(config: CrossValidationConfig) -> Caveat:
    if config.splitter is not None:
        return (
            "Not a backtest",
            "Out-of-fold predictions of a splitter of your own: whether a fold was trained on "
            "its past alone, only that splitter says.",
        )
    if config.scheme == "walk_forward":
        return (
            "Not a backtest",
            "Every fold was trained on its past alone, but nothing was traded: there are no "
            "portfolios, fills or costs here, and the first groups are never tested.",
        )
    return (
        "Never a backtest",
        "Combinatorial cross-validation trains on the future of its test blocks as well as on "
        "their past. It validates a forecaster, and no history here could have been lived.",
    )


def _labels(config: LabelsConfig) -> Caveat:
    if config.builder is not None:
        return ("Labels as given", "Returns are the labels of a builder of your own, in bps.")
    parts = []
    if config.excess:
        parts.append("in excess of the date's equal-weight mean")
    if config.winsorize:
        parts.append(
            f"winsorized at {config.winsorize:.0%} on either side of each date, which makes "
            f"spreads smaller than what names earned"
        )
    treated = ", ".join(parts) or "as they are"
    return (
        "Labels, not returns",
        f"Every return here is a label: a forward return from {config.execution_lag_days} "
        f"trading {'day' if config.execution_lag_days == 1 else 'days'} after the signal, "
        f"{treated}.",
    )
