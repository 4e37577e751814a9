"""Hyper-parameters that every split chooses by trials on inner folds of its own train rows.

What a search chooses it has chosen on rows that no score is reported of: out-of-fold scores stay
those of rows that neither a fit nor a choice has seen, as in nested cross-validation [1]_ [2]_.

References
----------
.. [1] S. Varma and R. Simon, "Bias in Error Estimation when Using Cross-Validation for
   Model Selection", BMC Bioinformatics 7:91, 2006.
.. [2] T. Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework",
   KDD 2019.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config.sections import SearchConfig
from model2_assets.errors import TrainingError
from model2_assets.storage.models import Search
from model2_assets.training.base_models import BaseModelTrainer
from model2_assets.training.calibration import FEWEST_ROWS, InnerFits
from model2_assets.training.inner_folds import InnerFold
from model2_assets.training.task import Task

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

_BLOCKS = "blocks"

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """An inner fold, and which of the rows predicted of it belong to each half of its dates."""

    fold: InnerFold
    halves: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True)
class ParameterSearch:
    """Chooses hyper-parameters by trials, of which each is fitted on and scored by inner folds.

    The values of a trial are drawn by Optuna's tree-structured Parzen estimator from those before
    it, with a seed of its own. A trial whose mean over its first inner folds is below the median of
    the complete ones at that point is pruned, from the sixth on. Trials of a split come one after
    another, and splits are fitted side by side as far as memory allows; so a search gives the
    same choice for any number of cores, and resumed as without interruption, with one version of
    Optuna.

    Attributes
    ----------
    config : SearchConfig
        Values, number of trials and objective.
    seed : int
        Of the model.
    study_of : callable, optional
        Returns the file in which the finished trials of a split stay. None: in memory.
    """

    config: SearchConfig
    seed: int
    study_of: Callable[[int], Path] | None = None

    @classmethod
    def of(cls, task: Task, study_of: Callable[[int], Path] | None = None) -> Self | None:
        """Return the search of a task, if it has one."""
        return None if task.search is None else cls(task.search, task.unfitted.seed, study_of)

    def choose(
        self, trainer: BaseModelTrainer, fits: InnerFits, split_id: int
    ) -> tuple[dict[str, Any], Search]:
        """Return the best parameters for the train set of a split, and how they were found.

        Parameters
        ----------
        trainer : BaseModelTrainer
            With the parameters that are not searched.
        fits : InnerFits
            Of the split.
        split_id : int
            The split, for its file.

        Raises
        ------
        TrainingError
            If the train set has no inner fold with rows enough, or a fit fails.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        study, held_out = self._study(split_id), self._held_out(fits)
        while (n_done := len(study.get_trials(deepcopy=False, states=done))) < self.config.trials:
            # Seeded anew, a trial depends on those before it alone, whichever run made them.
            study.sampler = optuna.samplers.TPESampler(seed=self.seed + n_done, constant_liar=False)
            trial = study.ask(self._distributions())
            score = self._score(trial, trainer, fits, held_out)
            study.tell(trial, score, state=done[score is None])
        best = study.best_trial
        complete = study.get_trials(deepcopy=False, states=done[:1])
        blocks = [best.user_attrs[_BLOCKS]]
        blocks += [trial.user_attrs[_BLOCKS] for trial in complete if trial.number != best.number]
        assert best.value is not None
        found = Search(
            trials=n_done,
            pruned=n_done - len(complete),
            score=best.value,
            blocks=tuple(map(tuple, blocks)) if np.isfinite(blocks).all() else (),
        )
        logger.info(
            "%s: the best of %d trials (%d pruned) is %s, inner %s %.4g",
            fits.what,
            found.trials,
            found.pruned,
            best.params,
            self.config.objective,
            found.score,
        )
        return dict(best.params), found

    def _study(self, split_id: int) -> "optuna.Study":
        """Open the trials of a split that an interrupted run has finished, if any."""
        import optuna
        from optuna.storages.journal import JournalFileBackend

        def create(storage: optuna.storages.JournalStorage | None = None) -> optuna.Study:
            return optuna.create_study(
                storage=storage,
                study_name="search",
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
                load_if_exists=True,
            )

        if self.study_of is None:
            return create()
        path = self.study_of(split_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return create(optuna.storages.JournalStorage(JournalFileBackend(str(path))))
        except Exception as error:  # all that a damaged file or a full disk can lead to
            logger.warning("%s: trials cannot be kept or reused (%s); searching anew", path, error)
            with suppress(OSError):
                path.unlink()
            return create()

    def _distributions(self) -> "dict[str, optuna.distributions.BaseDistribution]":
        from optuna import distributions

        found: dict[str, distributions.BaseDistribution] = {}
        for name, values in self.config.space.items():
            low, high = values.ends[0], values.ends[-1]
            if values.choices is not None:
                found[name] = distributions.CategoricalDistribution(values.choices)
            elif isinstance(low, int) and isinstance(high, int):
                found[name] = distributions.IntDistribution(low, high, log=values.log)
            else:
                found[name] = distributions.FloatDistribution(low, high, log=values.log)
        return found

    def _held_out(self, fits: InnerFits) -> list[_HeldOut]:
        stride = fits.inner.stride
        folds = fits.folds(stride)
        if not folds:
            raise TrainingError(
                f"{fits.what}: no inner fold has {FEWEST_ROWS} rows to train on and to predict, so "
                f"nothing can be searched; lengthen the history, or leave search out"
            )
        return [_HeldOut(fold, _halves(fits, fold, stride)) for fold in folds]

    def _score(
        self,
        trial: "optuna.Trial",
        trainer: BaseModelTrainer,
        fits: InnerFits,
        held_out: Sequence[_HeldOut],
    ) -> float | None:
        """Return the mean score of a trial over the inner folds; None where it is pruned."""
        data, scores, blocks = fits.data, list[float](), list[float]()
        tried = trainer.with_params(trial.params)
        every = tried.date_stride(data.n_rows), fits.inner.stride
        what = f"trial {trial.number} with {trial.params}"
        for number, (fold, halves) in enumerate((each.fold, each.halves) for each in held_out):
            made = fits.predict(trainer.with_params(trial.params), fold, every=every, what=what)
            outcome = pd.DataFrame(
                {
                    "prediction": made.prediction,
                    "label": data.y[made.rows],
                    "base": data.y[fold.train].mean(),
                    "date": data.date_codes[made.rows],
                }
            )
            scores.append(self._score_of(outcome))
            blocks += [self._score_of(outcome[half]) for half in halves]
            mean = float(np.mean(scores))
            trial.report(mean, number)
            if number + 1 < len(held_out) and trial.should_prune():
                return None
        trial.set_user_attr(_BLOCKS, blocks)
        return mean

    def _score_of(self, outcome: pd.DataFrame) -> float:
        """Score the predictions of some rows, larger being better; NaN of none."""
        if self.config.objective == "rank_ic":
            return mean_rank_ic(outcome)
        label = outcome["label"]
        saved = (label - outcome["base"]) ** 2 - (label - outcome["prediction"]) ** 2
        score = float(saved.mean())
        return score if isfinite(score) or outcome.empty else -inf


def mean_rank_ic(outcome: pd.DataFrame) -> float:
    """Return the mean over dates of the rank correlation of prediction and label.

    It is 0 of a date on which either does not vary.
    """
    date = outcome["date"]
    ranks = outcome.groupby("date")[["prediction", "label"]].rank()
    ranks -= ranks.groupby(date).transform("mean")
    squares = (ranks**2).groupby(date).sum()
    products = (ranks["prediction"] * ranks["label"]).groupby(date).sum()
    correlation: pd.Series = products / np.sqrt(squares["prediction"] * squares["label"])
    return float(correlation.fillna(0.0).mean())


def _halves(fits: InnerFits, fold: InnerFold, stride: int) -> tuple[NDArray[np.bool_], ...]:
    """Mark the rows predicted of a fold that lie, with their labels, in each half of its dates."""
    rows = fits.data.rows_on_every_nth_date(fold.held_out, stride)
    date = fits.data.index.get_level_values("datetime").take(rows).to_numpy()
    dates, end = np.unique(date), fits.inner.label_end[fits.inner.rows[rows]]
    middle = dates[len(dates) // 2]
    first = (date < middle) & (end < middle)
    return first, (date >= middle) & (end <= dates[-1])
