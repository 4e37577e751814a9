# %% [markdown]
# # A first stack on the out-of-fold predictions
#
# Reads `stacking_frame` of the last `model2 retrain`, fits non-negative least squares on the
# columns of all base models, one fold after the other, and prints the rank IC of the stack on
# realized returns beside that of every base model and of their plain mean. Run it as it is
# (`python docs/stacking.py`), or open it as a notebook: `# %%` starts a cell.

# %%
import numpy as np
import pandas as pd

from model2_assets.config import load_config
from model2_assets.cross_validation import leave_group_out
from model2_assets.evaluation import daily_ic, label_overlap_days, mean_ic_inference
from model2_assets.stacking import nonnegative_weights, stackable_columns
from model2_assets.storage import Address, default_store
from model2_assets.storage.data_version import facts_of

config = load_config()
region = next(iter(config.regions))
settings = config.region(region)
frame = default_store().read(Address(region, "stacking_frame"))  # verified against its contract
facts = facts_of(frame)

print(f"{region}: {len(frame):,} rows; {facts['guarantee']}.")
if facts["missing_columns"]:
    print(f"missing: {', '.join(facts['missing_columns'])}")

# %% [markdown]
# ## Fit and predict, fold by fold
#
# The rows of one fold are held out. The weights are fitted on the rows of the other folds,
# less those whose label window touches the held-out one, and less an embargo after it. If the
# base models walked forward, only earlier folds train.


# %%
def stack(known: pd.DataFrame, columns: list[str], horizon: str) -> pd.DataFrame:
    """Return the weights of every fold; rows of `known` have all columns and the label."""
    folds = leave_group_out(
        known,
        known["fold_id"],
        label_end=known[f"label_end_{horizon}"],
        embargo_days=settings.cross_validation.embargo_days,
        past_only=facts["trained_on_past_only"],
    )
    label = known[f"label_{horizon}"].to_numpy()
    weights = {
        fold.group_id: nonnegative_weights(known[columns].to_numpy()[fold.train], label[fold.train])
        for fold in folds
        if len(fold.train)
    }
    return pd.DataFrame.from_dict(weights, orient="index", columns=columns)


def mean_rank_ic(prediction: pd.Series, realized: pd.Series, horizon: str) -> dict[str, float]:
    """Return the mean daily rank IC, its t corrected for overlapping labels, and the dates."""
    daily = daily_ic(prediction, realized, prediction.index)["rank_ic"]
    lag = settings.labels.execution_lag_days
    inference = mean_ic_inference(
        daily, lag=2 * label_overlap_days(horizon, execution_lag_days=lag)
    )
    return {
        "rank IC": inference.mean,
        "t": inference.t_statistic,
        "dates": inference.n_dates,
    }


# %% [markdown]
# ## Rank IC, side by side
#
# Weights are fitted to labels, ranks are scored on realized returns, which are never winsorized.
# All lines of a table speak of the same rows: those that every column predicts and that a
# stack was fitted for. A fold whose weights are all zero predicts nothing, and its dates have
# no rank IC.

# %%
for horizon in settings.labels.horizon_keys:
    columns = list(stackable_columns(frame, horizon))
    if not columns:
        continue
    known = frame.dropna(subset=[*columns, f"label_{horizon}"])
    weights = stack(known, columns, horizon)
    held_out = known[known["fold_id"].isin(weights.index)]
    weights_of_row = weights.reindex(held_out["fold_id"]).to_numpy()
    predictions = {
        "stack (non-negative least squares)": (held_out[columns] * weights_of_row).sum(axis=1),
        "plain mean": held_out[columns].mean(axis=1),
        **{column: held_out[column] for column in columns},
    }
    realized = held_out[f"realized_{horizon}"]
    scores = {name: mean_rank_ic(each, realized, horizon) for name, each in predictions.items()}
    print(f"\nrealized_{horizon}: {len(held_out):,} rows, {len(weights)} folds")
    print(pd.DataFrame.from_dict(scores, orient="index").round(4).to_string())
    print("weights, mean over folds and range:")
    print(weights.agg(["mean", "min", "max"]).T.round(3).to_string())
    assert np.isfinite(weights).all(axis=None)

# %% [markdown]
# ## What these scores are, and what they are not

# %%
print(
    "\nThe base columns are out-of-fold, so their scores are honest. The stack was scored on rows "
    "it was not fitted on, none of whose label windows touch those of its train rows."
)
if facts["trained_on_past_only"]:
    print("Base models and stack saw the past alone: the stack's score is unbiased too.")
else:
    print(
        "Its score is optimistic all the same: the predictions of its train rows come from base "
        "models that saw the labels of the held-out fold. For an unbiased score, set "
        "cross_validation.nested, train on nested_oof of each outer fold, and score here. And the "
        "base models trained on the future of their folds: this is no backtest."
    )
print("Choosing a stack by these scores is a choice that they no longer account for.")
