"""``model2 plan``: what is measured, kept and said."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from model2_assets.cli import plan
from model2_assets.cli.main import main
from model2_assets.config import parse_config
from model2_assets_tests.defs.small_region import SMALL_REGION


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"regions": {"eu": SMALL_REGION}}))
    monkeypatch.setenv("MODEL2_CONFIG", str(config))
    # Tiny sizes: those of a real plan take seconds.
    monkeypatch.setattr(plan, "_SIZES", ((6, 300), (6, 300), (12, 400)))
    return tmp_path


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["plan", "--instruments=3000", "--years=20", *options])


def test_rates_are_measured_once_and_again_when_asked(storage: Path) -> None:
    first = run()
    assert first.exit_code == 0, first.output
    assert "15,120,000 rows × 158 features, 9.6 GB" in first.output
    assert "in all" in first.output
    (kept,) = (storage / "data" / ".working" / "eu" / "plan_rates").iterdir()
    rates = json.loads(kept.read_text())
    assert all(small[0] < large[0] for small, large in rates.values())
    assert all(seconds > 0 for sizes in rates.values() for _, seconds in sizes)

    # What is said comes from the file alone.
    doubled = {name: [(n, 2 * s) for n, s in sizes] for name, sizes in rates.items()}
    kept.write_text(json.dumps(doubled))
    assert "measuring" not in run().output
    anew = run("--calibrate")
    assert "measuring this machine" in anew.output
    assert json.loads(kept.read_text()) != doubled


def test_other_settings_have_rates_of_their_own(storage: Path) -> None:
    run()
    assert "measuring this machine" in run("--profile=exact").output
    folder = storage / "data" / ".working" / "eu" / "plan_rates"
    assert len(list(folder.iterdir())) == 2


def test_workers_are_planned_for_and_what_they_lack_is_said(storage: Path) -> None:
    told = run("--workers=4", "--worker-memory=1").output
    (line,) = (line for line in told.splitlines() if line.startswith("Dask, fold by fold"))
    assert "for each thread of a worker, where 0.2 may be used" in line


def test_fits_of_a_search_and_of_nested_folds_are_counted() -> None:
    def work(**changes) -> float:
        values = {"regions": {"eu": SMALL_REGION | changes.pop("region", {})}, **changes}
        fits = plan.planned_fits(parse_config(values), "eu", 10_000_000)
        return next(fit.work for fit in fits if fit.partition.model == "ridge")

    assert work() == 1
    assert work(region={"cross_validation": {"nested": True}}) == 5
    space = {"search": {"space": {"alpha": [1.0, 10.0]}, "trials": 9}}
    assert work(models={"ridge": space}) == 10
