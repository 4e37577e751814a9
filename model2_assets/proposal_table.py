"""Proposed numbers of groups as a table for the terminal."""

from typing import TYPE_CHECKING

from rich.table import Table

from model2_assets.config import RegionConfig

if TYPE_CHECKING:
    from model2_assets.cross_validation import CPCVProposal

SHOWN = 12


def labelled_dates(region: RegionConfig) -> int:
    """Count the dates of a region's market data that can be split.

    Dates that no row has a label on are left out, and so are the first
    ``features.min_history_bars`` dates, on which no row has features.

    Parameters
    ----------
    region : RegionConfig
        The region.

    Returns
    -------
    int
        Distinct dates.

    Raises
    ------
    Model2Error
        If the market data cannot be read or labelled.
    """
    from model2_assets.builders import make_labels
    from model2_assets.cross_validation import longest_label_end
    from model2_assets.market_data import load_market_data

    panel = load_market_data(region.market_data).panel
    label_end = longest_label_end(make_labels(panel, region.labels))
    first_dates = panel.index.unique("datetime").sort_values()[: region.features.min_history_bars]
    return len(label_end.dropna().index.unique("datetime").difference(first_dates))


def proposal_table(region: str, proposal: "CPCVProposal") -> Table:
    """Return the best candidates as a table for people.

    Parameters
    ----------
    region : str
        Its name, for the title.
    proposal : CPCVProposal
        The candidates, best first.

    Returns
    -------
    rich.table.Table
        One row per candidate; dates are means over the splits.
    """
    table = Table(
        title=f"region {region}: {proposal.n_dates:,} labelled dates",
        caption="best first; dates are means over the splits, least is the split with fewest",
    )
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for row in proposal.candidates.head(SHOWN).to_dict("records"):
        table.add_row(
            f"{row['n_groups']:.0f}",
            f"{row['n_test_groups']:.0f}",
            f"{row['n_splits']:.0f}",
            f"{row['n_paths']:.0f}",
            f"{row['test_dates']:,.0f}",
            f"{row['ideal_train_dates']:,.0f}",
            f"{row['purged_dates']:,.0f}",
            f"{row['embargoed_dates']:,.0f}",
            f"{row['train_dates']:,.0f}",
            f"{row['least_train_dates']:,.0f}",
            f"{row['train_share']:.1%}",
            f"{row['kept_share']:.1%}",
            f"{row['shortfall']:.2f}",
        )
    return table


_HEADINGS = (
    "n_groups",
    "n_test_groups",
    "splits",
    "paths",
    "test",
    "ideal train",
    "purged",
    "embargoed",
    "train",
    "least",
    "of all dates",
    "of ideal",
    "shortfall",
)
