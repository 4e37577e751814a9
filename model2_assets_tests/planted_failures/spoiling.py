"""What goes wrong with a candidate between the core that makes it and its checks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.storage.data_version import INPUTS, facts_of

Table = pd.DataFrame
Spoil = Callable[..., Any]
"""Takes what the maker returned, and the maker's positional arguments; returns the candidate."""


def table(change: Callable[[Table], Table]) -> Spoil:
    """Return what spoils a maker's table."""

    def spoil(made: Table, *_: Any) -> Table:
        return _changed(made, change)

    return spoil


def first(change: Callable[[Table], Table]) -> Spoil:
    """Return what spoils the table that a maker returns first."""

    def spoil(made: tuple[Table, Any], *_: Any) -> tuple[Table, Any]:
        return _changed(made[0], change), made[1]

    return spoil


def part(name: str, change: Callable[[Any], Any]) -> Spoil:
    """Return what spoils one attribute of what the maker returned."""

    def spoil(made: Any, *_: Any) -> Any:
        value = getattr(made, name)
        spoiled = _changed(value, change) if isinstance(value, Table) else change(value)
        return replace(made, **{name: spoiled})

    return spoil


def _changed(frame: Table, change: Callable[[Table], Table]) -> Table:
    spoiled = change(frame.copy())
    spoiled.attrs = frame.attrs
    return spoiled


def with_a_stranger(frame: Table) -> Table:
    """Add a column that no contract knows."""
    return frame.assign(stranger="x")


def without_a_row(frame: Table) -> Table:
    """Lose a row."""
    return frame.iloc[1:]


def without_the_newest_date(frame: Table) -> Table:
    """Lose the last date."""
    dates = frame.index.get_level_values("datetime")
    return frame[dates < dates.max()]


def set_first(column: str, value: Any) -> Callable[[Table], Table]:
    """Set a value of the first row."""

    def change(frame: Table) -> Table:
        frame.iloc[0, frame.columns.get_loc(column)] = value
        return frame

    return change


def moved(frame: Table) -> Table:
    """Move a prediction by half a basis point."""
    frame.iloc[0, frame.columns.get_loc("prediction")] += 0.5
    return frame


def beside_its_row(frame: Table) -> Table:
    """Put the values of the first column of predictions one row further."""
    name = next(column for column in frame.columns if column.startswith("oof_"))
    return frame.assign(**{name: np.roll(frame[name].to_numpy(), 1)})


def of_other_labels(made: Table, oof: Mapping[str, Table], *_: Any) -> Table:
    """Have all predictions state that they were made from labels of another version."""
    for predictions in oof.values():
        facts_of(predictions)[INPUTS]["labels"] = "0" * 64
    return made


def without_the_last_model(models: tuple[Any, ...]) -> tuple[Any, ...]:
    """Lose the model of a split."""
    return models[:-1]


def trained_on_fewer_rows(models: tuple[Any, ...]) -> tuple[Any, ...]:
    """Have a model say that it saw a row less."""
    return (replace(models[0], n_train=models[0].n_train - 1),)


def overlapping(proof: Any) -> Any:
    """Have the proof find overlapping rows."""
    return replace(proof, n_overlaps=3, first_overlap="S000 2015-01-02 overlaps S001 2015-01-05")


def in_embargo(proof: Any) -> Any:
    """Have the proof find train rows in the embargo."""
    return replace(proof, n_in_embargo=3, first_in_embargo="split 0: 3 train rows, first S000")


def one_fold_more(folds: Mapping[str, int], *_: Any) -> dict[str, int]:
    """Have every partition's predictions have a fold that its scores lack."""
    return {key: count + 1 for key, count in folds.items()}


def without_a_section(html: str, *_: Any) -> str:
    """Rename the sections of a report."""
    return html.replace('id="', 'id="other-')


def with_a_script(html: str, *_: Any) -> str:
    """Have a report fetch a script."""
    return html.replace("</body>", '<script src="https://example.com/x.js"></script></body>')


def with_six_megabytes(html: str, *_: Any) -> str:
    """Have a report outgrow the mail."""
    return html.replace("</body>", f"<!-- {'x' * 6_000_000} --></body>")
