import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from model2_assets.errors import TrainingError
from model2_assets.stacking import nonnegative_weights


def planted(seed=0, n_rows=4000):
    """Return a label, and columns that know it well, a little, and not at all."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n_rows)
    label = 100 * (signal + 2 * rng.normal(size=n_rows)) + 7
    good = 50 * (signal + 0.5 * rng.normal(size=n_rows))
    weak = 50 * (signal + 4 * rng.normal(size=n_rows))
    noise = 50 * rng.normal(size=n_rows)
    return np.column_stack([weak, good, noise]), label


def test_the_better_model_gets_most_of_the_weight():
    weak, good, noise = nonnegative_weights(*planted())
    assert good > 10 * weak > 0
    assert good > 10 * noise


def test_weights_are_the_best_of_all_that_are_not_negative():
    columns, label = planted(seed=3)
    columns[:, 2] -= columns[:, 1]
    found = nonnegative_weights(columns, label)
    expected = LinearRegression(positive=True).fit(columns, label).coef_
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_column_that_is_only_wrong_gets_nothing():
    columns, label = planted()
    assert nonnegative_weights(-columns[:, [1]], label).tolist() == [0.0]


@pytest.mark.parametrize("label", [[], [1.0, np.nan, 2.0]])
def test_missing_values_are_refused(label):
    with pytest.raises(TrainingError, match="drop those with a missing value"):
        nonnegative_weights(np.ones((len(label), 2)), label)
