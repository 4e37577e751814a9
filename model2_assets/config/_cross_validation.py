"""Section ``cross_validation`` of a region."""

from collections.abc import Sequence
from math import comb
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from model2_assets.config._section import Section
from model2_assets.config._types import ImportPath

MAX_SPLITS = 10_000
"""More splits than this are a mistake: each is a model fit and a stored column."""


class CrossValidationConfig(Section):
    """How history is split into train and test."""

    scheme: Literal["cpcv", "walk_forward"] = Field(
        default="cpcv",
        description="cpcv: combinatorial purged cross-validation, which trains on the future of "
        "its test blocks; walk_forward: trains on the past alone, first groups never tested",
    )
    n_groups: int = Field(default=5, ge=2, le=100, description="contiguous blocks of whole dates")
    n_test_groups: int = Field(
        default=1, ge=1, le=100, description="groups tested together in one split"
    )
    window: Literal["expanding", "rolling"] = Field(
        default="expanding",
        description="walk_forward: train on all earlier groups, or on the last train_groups",
    )
    train_groups: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="walk_forward: groups that the first model trains on; null: 1",
    )
    embargo_days: int = Field(
        default=5,
        ge=0,
        le=10_000,
        description="panel dates dropped after a test block, on top of the purge; without effect "
        "in walk_forward, which trains on nothing after it",
    )
    min_samples: int = Field(
        default=100,
        ge=1,
        le=10**9,
        description="labelled rows that train and test of every split need",
    )
    purge: Literal["longest_horizon", "per_horizon"] = Field(
        default="longest_horizon",
        description="longest_horizon: one set of splits, purged with the longest label end of a "
        "row, whose predictions may be stacked; per_horizon: splits for each horizon, purged "
        "with its own label end",
    )
    splitter: ImportPath | None = Field(
        default=None, description="class that replaces our splitter"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="settings of your splitter")
    nested: bool = Field(
        default=False,
        description="also make nested_oof, for an unbiased score of a stacker: "
        "n_groups x (n_groups - 1) / 2 more fits per model and horizon",
    )

    @model_validator(mode="after")
    def _nested_needs_pairs_of_groups(self) -> Self:
        if not self.nested:
            return self
        breaches = {
            f"scheme {self.scheme}": self.scheme == "cpcv",
            f"n_test_groups {self.n_test_groups}": self.n_test_groups == 1,
            f"n_groups {self.n_groups}": self.n_groups >= 3,
            f"splitter {self.splitter}": self.splitter is None,
        }
        wrong = [setting for setting, fits in breaches.items() if not fits]
        if wrong:
            raise ValueError(
                f"nested needs scheme cpcv, n_test_groups 1, n_groups of at least 3 and no "
                f"splitter of your own, but there is {', '.join(wrong)}; change that, or set "
                f"nested to false"
            )
        return self

    @property
    def n_splits(self) -> int | None:
        """Number of splits of each horizon; None where a splitter of your own decides."""
        if self.splitter is not None:
            return None
        if self.scheme == "walk_forward":
            return self.n_groups - (self.train_groups or 1)
        return comb(self.n_groups, self.n_test_groups)

    def role_column_names(self, horizons: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of roles that cv_splits has; none known of your own splitter."""
        suffixes = [f"_{horizon}" for horizon in horizons] if self.purge == "per_horizon" else [""]
        return tuple(
            f"split_{split_id}{suffix}"
            for suffix in suffixes
            for split_id in range(self.n_splits or 0)
        )

    @model_validator(mode="after")
    def _leaves_train_groups(self) -> Self:
        if self.n_test_groups >= self.n_groups:
            raise ValueError(
                f"n_test_groups ({self.n_test_groups}) must be below n_groups ({self.n_groups}), "
                f"else nothing is left to train on"
            )
        if self.n_splits is not None and self.n_splits > MAX_SPLITS:
            raise ValueError(
                f"n_groups {self.n_groups} and n_test_groups {self.n_test_groups} make "
                f"{self.n_splits:,} splits, each a model fit; keep to {MAX_SPLITS:,} by lowering "
                f"either"
            )
        return self

    @model_validator(mode="after")
    def _walks_forward_by_single_groups(self) -> Self:
        if self.scheme != "walk_forward":
            for name, default in (("window", "expanding"), ("train_groups", None)):
                if getattr(self, name) != default:
                    raise ValueError(
                        f"{name} belongs to scheme walk_forward; remove it or change the scheme"
                    )
            return self
        if self.n_test_groups != 1:
            raise ValueError(
                f"n_test_groups must be 1 in scheme walk_forward, which tests one group after the "
                f"other, got {self.n_test_groups}"
            )
        if self.window == "rolling" and self.train_groups is None:
            raise ValueError("window rolling needs train_groups: how many groups long it is")
        if self.train_groups is not None and self.train_groups >= self.n_groups:
            raise ValueError(
                f"train_groups ({self.train_groups}) must be below n_groups ({self.n_groups}), "
                f"else nothing is left to test"
            )
        return self

    @model_validator(mode="after")
    def _own_splitter_purges_once(self) -> Self:
        if self.splitter is not None and self.purge == "per_horizon":
            raise ValueError(
                "purge per_horizon and splitter exclude each other; a splitter of your own is "
                "given the longest label end of each row"
            )
        return self

    @property
    def covers_history(self) -> bool:
        """Whether every labelled row must be predicted, and not only those that are tested."""
        return self.scheme == "cpcv" and self.splitter is None
