"""How large the generated markets are."""

from dataclasses import dataclass

N_FEATURES = 158


@dataclass(frozen=True)
class Size:
    """A size of market.

    Attributes
    ----------
    name : str
        Such as ``S``.
    n_instruments, n_dates : int
        Instruments and trading days.
    repeats : int
        Runs of each program that a median is taken of.
    """

    name: str
    n_instruments: int
    n_dates: int
    repeats: int

    @property
    def values(self) -> int:
        """Bars times features, an upper bound of the training matrix's values."""
        return self.n_instruments * self.n_dates * N_FEATURES


SIZES = {
    size.name: size
    for size in (
        Size("XS", 40, 600, 1),
        Size("S", 500, 1_250, 5),
        Size("M", 1_000, 2_520, 1),
        Size("L", 3_000, 2_520, 1),
    )
}
"""XS is for trying: its figures say nothing."""
