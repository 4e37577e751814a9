"""The trainers of docs/own_model.md are fitted, kept and read back as the page shows them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from model2_assets.config import parse_config
from model2_assets.training import ModelRegistry, cross_validate, predict_out_of_fold
from model2_assets_tests.test_docs import ROOT, blocks
from model2_assets_tests.training.panels import make_data

PAGE = ROOT / "docs" / "own_model.md"


@pytest.mark.parametrize("name", ["elastic_net", "random_forest"])
def test_a_trainer_of_the_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = "\n".join(text for _, text in blocks(PAGE, "python"))
    (tmp_path / f"{name}_of_page.py").write_text(modules, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    models = [yaml.safe_load(text).get("models", {}) for _, text in blocks(PAGE, "yaml")]
    (said,) = (section[name] for section in models if name in section)
    class_name = said["trainer"].partition(":")[2]
    model = {**said, "trainer": f"{name}_of_page:{class_name}"}
    registry = ModelRegistry.from_config(parse_config({"models": {name: model}}), "us")
    data = make_data()

    first, again = (
        cross_validate(lambda: registry.trainer(name, "21d"), data, calibrates=True)
        for _ in range(2)
    )

    trainer = first[0].trainer
    assert trainer.digest() == again[0].trainer.digest() != first[1].trainer.digest()
    read = type(trainer).from_bytes(trainer.to_bytes())
    assert read.digest() == trainer.digest()
    np.testing.assert_array_equal(read.predict(data.X), trainer.predict(data.X))
    assert trainer.importances().index.tolist() == list(data.feature_names)
    assert predict_out_of_fold(first, data)["prediction"].std() > 0
