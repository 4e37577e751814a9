"""Which asset has the same bits under which factor."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model2_assets_tests.determinism.digests import ASSETS
from model2_assets_tests.determinism.factors import PLAIN, Factor
from model2_assets_tests.determinism.launch import retrained


@dataclass(frozen=True)
class Row:
    """One factor.

    Attributes
    ----------
    factor : Factor
        What differed.
    same : mapping of str to bool
        Whether an asset has the bits of the plain retrain; empty where the factor cannot be
        tried on this machine.
    """

    factor: Factor
    same: Mapping[str, bool]

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return all(self.same.values())


def matrix(factors: Iterable[Factor]) -> Iterator[Row]:
    """Retrain once plainly and once under every factor; yield as each is done."""
    with tempfile.TemporaryDirectory(prefix="determinism-") as folder:
        plain = retrained(Path(folder, "plain"), PLAIN)
        for number, factor in enumerate(factors):
            if not factor.is_possible:
                yield Row(factor, {})
                continue
            found = retrained(Path(folder, str(number)), factor)
            yield Row(factor, {asset: found[asset] == plain[asset] for asset in ASSETS})


def heading() -> str:
    """Return the first two lines of the matrix, in Markdown."""
    return f"| factor | {' | '.join(ASSETS)} |\n| --- |{' --- |' * len(ASSETS)}"


def line_of(row: Row) -> str:
    """Return a row of the matrix, in Markdown."""
    words = {True: "yes", False: "**no**", None: "not tried: no such locale here"}
    cells = [words[row.same.get(asset)] for asset in ASSETS]
    return f"| {row.factor.name} | {' | '.join(cells)} |"
