"""Whatever byte is damaged: the file is refused by name, or its reader gets the same values."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model2_assets_tests.corruption.damage import Damage, outcome_of
from model2_assets_tests.corruption.stored import StoredFile, fill, stored_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, StoredFile]:
    found = stored_files(fill(tmp_path_factory.mktemp("stored")))
    return {file.kind: file for file in found if file.is_verified}


KINDS = (
    "market_data", "labels", "features", "cv_splits", "oof_predictions", "oof_paths", "nested_oof",
    "feature_importance", "cv_scores", "live_predictions", "leaderboard", "stacking_frame",
    "tear_sheet", "region_report",
    *(f"{asset} of {model}: {part}" for asset in ("fitted_models", "final_models")
      for model in ("ridge", "xgboost", "net") for part in ("manifest", "model")),
    *(f"{asset}: record" for asset in ("market_data", "labels", "features", "cv_splits")),
    *(f"kept {asset}{part}" for part in ("", ": record") for asset in (
        "fitted_models", "oof_predictions", "oof_paths", "nested_oof", "feature_importance",
        "cv_scores", "final_models", "live_predictions", "tear_sheet", "leaderboard",
        "stacking_frame", "region_report")),
    "working matrix, in model2 check", "rows of the working matrix", "sums of Ridge",
)  # fmt: skip


def test_there_is_a_file_of_every_kind(files: Mapping[str, StoredFile]) -> None:
    assert sorted(files) == sorted(KINDS)


DAMAGE = st.one_of(
    st.builds(Damage, st.just("flipped byte"), st.integers(0, 2**15), st.integers(1, 255)),
    st.builds(Damage, st.just("cut off"), st.integers(1, 2**15)),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(damage=DAMAGE)
@example(damage=Damage("empty"))
@example(damage=Damage("extended"))
def test_damage_is_found_or_without_effect(
    kind: str, damage: Damage, files: Mapping[str, StoredFile]
) -> None:
    file = files[kind]
    inside = Damage(damage.kind, damage.position % file.path.stat().st_size, damage.mask)
    outcome, message = outcome_of(file, inside, sound=file.read())
    assert outcome in ("refused", "made again", "unchanged"), message
    if inside.kind in ("empty", "cut off") and inside.position == 0:
        assert outcome != "unchanged" or file.is_made_again
