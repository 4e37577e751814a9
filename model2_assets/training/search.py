"""Hyper-parameters that every split chooses by trials on inner folds of its own train rows.

No score is reported of the rows that a search has chosen on: as in nested cross-validation, out of
fold a row is unseen by fits and choices alike (S. Varma and R. Simon, "Bias in Error Estimation
when Using Cross-Validation for Model Selection", BMC Bioinformatics 7:91, 2006).
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

from model2_assets.config.sections import SearchConfig, SearchedValues
from model2_assets.errors import TrainingError
from model2_assets.storage.models import Search
from model2_assets.training.base_models import BaseModelTrainer
from model2_assets.training.calibration import FEWEST_ROWS, InnerFits
from model2_assets.training.inner_folds import InnerFold
from model2_assets.training.task import Task

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

Halves = tuple[NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True)
class ParameterSearch:
    """Chooses hyper-parameters by trials, of which each is fitted on and scored by inner folds.

    The values of a trial are drawn by Optuna's tree-structured Parzen estimator from the trials
    before it, with a seed of its own, so a search that is resumed chooses as if it had not been
    interrupted. From the sixth on, a trial is pruned where its mean over the first inner folds is
    below the median of the complete ones at that point.
    """

    config: SearchConfig
    seed: int
    study_of: Callable[[int], Path] | None = None
    """Returns the file in which the finished trials of a split stay. None: in memory."""

    @classmethod
    def of(cls, task: Task, study_of: Callable[[int], Path] | None = None) -> Self | None:
        """Return the search of a task, if it has one."""
        return None if task.search is None else cls(task.search, task.unfitted.seed, study_of)

    def choose(
        self, trainer: BaseModelTrainer, fits: InnerFits, split_id: int
    ) -> tuple[dict[str, Any], Search]:
        """Return the best parameters for the train set of a split, and how they were found.

        All other parameters are those of `trainer`. A `TrainingError` is raised if the train set
        has no inner fold with rows enough, or a fit fails.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        complete, pruned = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED
        study, held_out = self._study(split_id), _held_out(fits)
        space = self.config.space.items()
        distributions = {name: _distribution(own, trainer.params[name]) for name, own in space}
        while True:
            done = study.get_trials(deepcopy=False, states=(complete, pruned))
            if len(done) >= self.config.trials:
                break
            # Seeded anew, a trial depends on those before it alone, whichever run made them.
            seed = self.seed + len(done)
            study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=False)
            trial = study.ask(distributions)
            score = self._score(trial, trainer, fits, held_out)
            study.tell(trial, score, state=pruned if score is None else complete)
        best, ended = study.best_trial, [trial for trial in done if trial.state == complete]
        ended.sort(key=lambda trial: trial.number != best.number)
        blocks = [tuple(trial.user_attrs["blocks"]) for trial in ended]
        assert best.value is not None
        found = f"{best.params} is the best of {len(done)} trials, inner score {best.value:.4g}"
        logger.info("%s: %s", fits.what, found)
        return dict(best.params), Search(
            trials=len(done),
            pruned=len(done) - len(ended),
            score=best.value,
            blocks=tuple(blocks) if np.isfinite(blocks).all() else (),
        )

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

    def _score(
        self,
        trial: "optuna.Trial",
        trainer: BaseModelTrainer,
        fits: InnerFits,
        held_out: Sequence[tuple[InnerFold, Halves]],
    ) -> float | None:
        """Return the mean score of a trial over the inner folds; None where it is pruned."""
        data, scores, blocks = fits.data, list[float](), list[float]()
        what = f"trial {trial.number} with {trial.params}"
        for number, (fold, halves) in enumerate(held_out):
            tried = trainer.with_params(trial.params)
            every = tried.date_stride(data.n_rows), fits.inner.stride
            _, rows, prediction = fits.predict(tried, fold, every=every, what=what)
            outcome = pd.DataFrame({"prediction": prediction, "label": data.y[rows]})
            outcome["date"], base = data.date_codes[rows], float(data.y[fold.train].mean())
            scores.append(self._score_of(outcome, base))
            blocks += [self._score_of(outcome[half], base) for half in halves]
            trial.report(float(np.mean(scores)), number)
            if number + 1 < len(held_out) and trial.should_prune():
                return None
        trial.set_user_attr("blocks", blocks)
        return float(np.mean(scores))

    def _score_of(self, outcome: pd.DataFrame, base: float) -> float:
        """Score the predictions of some rows, larger being better; NaN of none."""
        if self.config.objective == "rank_ic":
            return mean_rank_ic(outcome)
        label = outcome["label"]
        saved = float(((label - base) ** 2 - (label - outcome["prediction"]) ** 2).mean())
        return saved if isfinite(saved) or outcome.empty else -inf


def _distribution(
    searched: SearchedValues, like: object
) -> "optuna.distributions.BaseDistribution":
    from optuna import distributions

    values = searched.values(like)
    if searched.choices is not None:
        return distributions.CategoricalDistribution(values)
    low, high = values
    if isinstance(low, int) and isinstance(high, int):
        return distributions.IntDistribution(low, high, log=searched.log)
    return distributions.FloatDistribution(low, high, log=searched.log)


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


def _held_out(fits: InnerFits) -> list[tuple[InnerFold, Halves]]:
    """Return the inner folds, and which rows that are predicted lie, with their labels, in halves.

    The halves are of the fold's dates.
    """
    inner, data, found = fits.inner, fits.data, []
    datetime = data.index.get_level_values("datetime")
    for fold in fits.folds(inner.stride):
        rows = data.rows_on_every_nth_date(fold.held_out, inner.stride)
        date, end = datetime[rows].to_numpy(), inner.label_end[inner.rows[rows]]
        dates = np.unique(date)
        middle = dates[len(dates) // 2]
        found.append((fold, (end < middle, (date >= middle) & (end <= dates[-1]))))
    if not found:
        raise TrainingError(
            f"{fits.what}: no inner fold has {FEWEST_ROWS} rows to train on and to predict, so "
            f"nothing can be searched; lengthen the history, or leave search out"
        )
    return found
