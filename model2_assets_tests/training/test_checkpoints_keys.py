"""Whatever determines a fit is in its key: nothing is reused of anything else."""

import importlib
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from model2_assets.config import ModelConfig
from model2_assets.training import ModelRegistry
from model2_assets.training import checkpoints as checkpoints_module
from model2_assets.training.model_registry import code_state
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.interrupted import (
    TABLES,
    files_of,
    fit,
    interrupt,
)
from model2_assets_tests.training.stored_tables import StoredTables, registry


def other_labels():
    labels = TABLES.labels.copy()
    labels.iloc[7, 0] += 1e-9
    return StoredTables(
        TABLES.features, mark(labels, market_data="m"), TABLES.cv_splits
    ).with_splits(TABLES.cv_splits)


def other_features():
    features = TABLES.features.copy()
    features.iloc[7, 0] += 1.0
    return StoredTables(
        mark(features, market_data="m"), TABLES.labels, TABLES.cv_splits
    ).with_splits(TABLES.cv_splits)


def stating_the_same_versions(**tables):
    """Return tables that differ from what their data versions say: the rows themselves count."""
    for name, table in tables.items():
        table.attrs = dict(TABLES.arguments[name].attrs)
    return replace(TABLES, **tables)


def other_roles():
    splits = TABLES.cv_splits.copy()
    splits.loc[splits.index[splits["split_4"] == 2], "split_4"] = 0
    return stating_the_same_versions(cv_splits=splits)


def other_rows():
    renamed = {
        name: table.rename(index={"S07": "S08"}, level="instrument")
        for name, table in TABLES.arguments.items()
    }
    return stating_the_same_versions(**renamed)


def other_order_of_features():
    return stating_the_same_versions(features=TABLES.features.iloc[:, ::-1].copy())


def other_version_of_splits():
    splits = TABLES.cv_splits.copy()
    splits["note"] = 1
    return TABLES.with_splits(splits)


def weighted(**settings):
    return registry(sample_weights="uniqueness", **settings)


@pytest.mark.parametrize(
    "changed",
    [
        {"tables": other_features()},
        {"tables": other_labels()},
        {"tables": other_version_of_splits()},
        {"tables": other_roles()},
        {"tables": other_rows()},
        {"tables": other_order_of_features()},
        {"models": registry(params={"alpha": 1e4 + 1})},
        {"models": registry(overrides={"21d": {"alpha": 5.0}})},
        {"models": registry(seed=8)},
        {
            "models": ModelRegistry(
                {"ridge": ModelConfig(trainer="model2_assets.training.ridge:RidgeTrainer")}
            )
        },
    ],
    ids=[
        "features",
        "labels",
        "cv_splits",
        "roles",
        "rows",
        "order_of_features",
        "params",
        "overrides",
        "seed",
        "trainer",
    ],
)
def test_nothing_is_reused_of_other_data_or_settings(folder, changed):
    interrupt(folder)
    assert fit(folder, **changed).n_reused == 0
    assert fit(folder).n_reused == 2, "what was kept stays, for it may be asked for again"


def test_nothing_is_reused_of_another_profile(folder):
    def of_profile(profile):
        return ModelRegistry({"xgboost": registry().model("xgboost")}, profile=profile)

    interrupt(folder, "xgboost", models=of_profile("exact"))
    assert fit(folder, "xgboost", models=of_profile("default")).n_reused == 0


def test_nothing_is_reused_of_other_weights_of_rows(folder):
    tables = with_label_ends()
    interrupt(folder, tables=tables)
    assert fit(folder, tables=tables, models=weighted()).n_reused == 0
    folder.discard()
    interrupt(folder, tables=tables, models=weighted())
    assert fit(folder, tables=tables, models=weighted(), execution_lag_days=2).n_reused == 0
    folder.discard()
    interrupt(folder, tables=tables, models=weighted())
    assert fit(folder, tables=tables, models=weighted()).n_reused == 2


def with_label_ends():
    labels = TABLES.labels.copy()
    labels["label_end_21d"] = labels.index.get_level_values("datetime")
    return StoredTables(
        TABLES.features, mark(labels, market_data="m"), TABLES.cv_splits
    ).with_splits(TABLES.cv_splits)


def test_nothing_is_reused_of_another_horizon(folder):
    labels = TABLES.labels.copy()
    labels["label_63d"] = labels["label_21d"] + 1.0
    tables = StoredTables(TABLES.features, mark(labels, market_data="m"), TABLES.cv_splits)
    tables = tables.with_splits(TABLES.cv_splits)
    interrupt(folder, tables=tables)
    assert fit(folder, tables=tables, horizon="63d").n_reused == 0


def test_nothing_is_reused_of_another_code_version(folder):
    interrupt(folder)
    assert fit(replace(folder, code_version="c2")).n_reused == 0


def test_nothing_is_reused_of_another_processor(folder, monkeypatch):
    interrupt(folder)
    monkeypatch.setattr(checkpoints_module, "blas_kernel", lambda: "openblas 0.3.30 Zen")
    assert fit(folder).n_reused == 0


def new_process():
    """Forget which code was loaded, as a new process would."""
    code_state.cache_clear()


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """Write a trainer of the user's own, whose module uses another one beside it."""
    (tmp_path / "own_losses.py").write_text("def scale():\n    return 1.0\n")
    (tmp_path / "own_trainer.py").write_text(
        "from model2_assets.training import RidgeTrainer\n"
        "from own_losses import scale\n\n\n"
        "class OwnTrainer(RidgeTrainer):\n"
        "    def predict(self, X):\n"
        "        return super().predict(X) * scale()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("own_trainer", "own_losses"):
        sys.modules.pop(name, None)
    new_process()


def own_registry():
    return ModelRegistry({"ridge": ModelConfig(trainer="own_trainer:OwnTrainer")})


@pytest.mark.parametrize("file", ["own_trainer.py", "own_losses.py"])
def test_nothing_is_reused_of_code_that_was_edited(folder, own_code, file):
    interrupt(folder, models=own_registry())
    new_process()
    assert fit(folder, models=own_registry()).n_reused == 2
    (own_code / file).write_text((own_code / file).read_text() + "\n")
    new_process()
    assert fit(folder, models=own_registry()).n_reused == 0


def test_what_is_kept_counts_as_made_by_the_code_that_was_loaded(folder, own_code):
    own_registry().trainer("ridge", "21d")
    edited = (own_code / "own_losses.py").read_text().replace("1.0", "2.0")
    (own_code / "own_losses.py").write_text(edited)
    interrupt(folder, models=own_registry())
    assert fit(folder, models=own_registry()).n_reused == 2
    new_process()
    assert fit(folder, models=own_registry()).n_reused == 0


def test_nothing_is_reused_after_a_library_of_the_trainer_changed(folder, own_code, monkeypatch):
    source = own_code / "own_trainer.py"
    source.write_text(source.read_text() + '    libraries = ("numpy", "losses")\n')
    info = own_code / "installed" / "losses-2.0.dist-info"
    info.mkdir(parents=True)
    monkeypatch.syspath_prepend(info.parent)
    for version, n_reused in (("2.0", 0), ("2.0", 2), ("2.1", 0)):
        metadata = f"Metadata-Version: 2.1\nName: losses\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata)
        importlib.invalidate_caches()
        new_process()
        assert fit(folder, models=own_registry()).n_reused == n_reused
        folder.discard()
        interrupt(folder, models=own_registry())


def test_trainer_of_no_file_is_fitted_and_keeps_nothing(folder, log, monkeypatch):
    module = ModuleType("of_a_session")
    monkeypatch.setitem(sys.modules, "of_a_session", module)
    source = (
        "from model2_assets.training import RidgeTrainer\nclass Typed(RidgeTrainer):\n    pass\n"
    )
    exec(source, vars(module))
    models = ModelRegistry({"ridge": ModelConfig(trainer="of_a_session:Typed")})
    assert fit(folder, models=models).n_reused == 0
    assert files_of(folder) == []
    assert "the source of Typed cannot be read" in log.text


def test_files_that_are_none_beside_a_trainer_of_ones_own_do_no_harm(folder, own_code):
    package = own_code / "own_losses"
    package.mkdir()
    (own_code / "own_losses.py").replace(package / "__init__.py")
    (package / ".#editing.py").symlink_to("nowhere")
    interrupt(folder, models=own_registry())
    new_process()
    assert fit(folder, models=own_registry()).n_reused == 2
