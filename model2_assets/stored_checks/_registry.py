"""Which predicates are evaluated of which stored asset.

An asset that is not named here has to be readable and to keep its contract, and no more.
"""

from collections.abc import Callable, Iterator, Mapping

from model2_assets.checks import CheckOutcome
from model2_assets.stored_checks._files import StoredFiles
from model2_assets.stored_checks._models import (
    feature_importance_outcomes,
    final_models_outcomes,
    fitted_models_outcomes,
)
from model2_assets.stored_checks._out_of_fold import (
    cv_scores_outcomes,
    live_predictions_outcomes,
    nested_oof_outcomes,
    oof_paths_outcomes,
    oof_predictions_outcomes,
)
from model2_assets.stored_checks._preparation import (
    cv_splits_outcomes,
    features_outcomes,
    labels_outcomes,
    market_data_outcomes,
)
from model2_assets.stored_checks._summary import leaderboard_outcomes, stacking_frame_outcomes

Predicates = Callable[[StoredFiles], Iterator[CheckOutcome]]

PREDICATES: Mapping[str, Predicates] = {
    "market_data": market_data_outcomes,
    "labels": labels_outcomes,
    "features": features_outcomes,
    "cv_splits": cv_splits_outcomes,
    "fitted_models": fitted_models_outcomes,
    "oof_predictions": oof_predictions_outcomes,
    "oof_paths": oof_paths_outcomes,
    "nested_oof": nested_oof_outcomes,
    "feature_importance": feature_importance_outcomes,
    "cv_scores": cv_scores_outcomes,
    "final_models": final_models_outcomes,
    "live_predictions": live_predictions_outcomes,
    "leaderboard": leaderboard_outcomes,
    "stacking_frame": stacking_frame_outcomes,
}
"""What yields the outcomes of an asset that can be read, by asset."""
