"""CONTRIBUTING.md says where to change what; here the ordinary changes are made."""

import pkgutil
import re
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from rich.console import Console

from model2_assets.checks.catalogue import CATALOGUE, Check, Finding, checks_of, evaluate
from model2_assets.checks.inputs import MarketDataChecks
from model2_assets.checks.stored import SUBJECTS, StoredFiles, evaluate_stored
from model2_assets.checks.subjects import Evidence
from model2_assets.cli.show import WIDE, scores_table
from model2_assets.config import Model2Config
from model2_assets.defs.assets import ASSETS
from model2_assets.defs.build import build_definitions
from model2_assets.evaluation import metrics
from model2_assets.reports import RegionResults, region_report
from model2_assets.storage import PRODUCTS, Address, Store
from model2_assets.training import ModelRegistry
from model2_assets_tests.defs.small_region import small_config
from model2_assets_tests.reports.partitions import partition, region_config
from model2_assets_tests.sample_tables import leaderboard, mark, market_data
from model2_assets_tests.training.trainers import ElasticNetTrainer

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "model2_assets"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def rows_of(section: str) -> list[tuple[str, str]]:
    """Return the rows of a section's table: first cell and second."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [(first, second) for first, second in cells[2:]]


def test_the_rooms_stand_in_the_order_of_imports() -> None:
    rooms = [re.findall(r"`(\w+)`", first) for first, _ in rows_of("The rooms")]

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    names = [re.findall(r"model2_assets\.(\w+)", layer) for layer in reversed(layers)]
    assert rooms == names
    on_disk = {path.stem for path in PACKAGE.glob("[a-z]*") if path.suffix in ("", ".py")}
    assert {room for line in rooms for room in line} == on_disk - {"_contracts"}


@pytest.mark.parametrize(("change", "where"), rows_of("Where to change what"))
def test_every_file_named_is_there(change: str, where: str) -> None:
    found = re.findall(r"`([\w/]+(?:/|\.\w+)+)`", where)
    assert found, change
    folder = PACKAGE
    for name in found:
        path = next(
            (base / name for base in (PACKAGE, ROOT, folder) if (base / name).exists()), None
        )
        assert path is not None, (change, name)
        folder = path.parent


PAGES = [
    path
    for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"))
    if path.name != "bad_inputs.md"  # messages on modules that are not there
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_name_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in set(
        re.findall(r"(?<![\w/])(?:model2_assets(?:_tests)?|benchmarks)(?:\.(?!md)\w+)+", text)
    ):
        assert pkgutil.resolve_name(name) is not None
    found = (
        r"(?:model2_assets(?:_tests)?|benchmarks|contracts|docs)/[\w/]+\.(?:py|json|md|yml|yaml)\b"
    )
    for path in set(re.findall(found, text)):
        assert (ROOT / path).exists(), path


def graph_of(config: Model2Config) -> Any:
    return build_definitions(config, Store("memory://changes")).resolve_asset_graph()


def test_a_check_is_an_entry_and_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def two_rows_at_most(self: MarketDataChecks) -> Finding:
        return Finding(len(self.table) <= 2, f"{len(self.table)} rows, 2 at most")

    new = Check("At most {checks.lookahead_control_dates} rows.", name="few_rows")
    monkeypatch.setitem(CATALOGUE, "market_data", (new, *CATALOGUE["market_data"]))
    monkeypatch.setattr(MarketDataChecks, "few_rows", two_rows_at_most, raising=False)
    config = small_config(checks={"lookahead_control_dates": 2})

    spec = graph_of(config).get_check_spec(
        dg.AssetCheckKey(dg.AssetKey(["us", "market_data"]), "few_rows")
    )
    assert (spec.description, spec.blocking) == ("At most 2 rows.", True)
    assert checks_of("market_data", config, "us")[0].promise == "At most 2 rows."
    candidate = MarketDataChecks(market_data(), Evidence(config, "us"))
    before = next(evaluate("market_data", candidate))
    assert (before.name, before.passed) == ("few_rows", False)
    store = Store(tmp_path)
    store.write(Address("us", "market_data"), mark(market_data()))
    on_disk = evaluate_stored(StoredFiles(config, "us", store=store), "market_data")
    assert {each.name: each.description for each in on_disk}["few_rows"] == before.description


def test_a_metric_is_an_entry_and_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    new = metrics.Metric("luck", "luck", "+.3f", "ranking scores", "how much of it is chance")
    monkeypatch.setattr(metrics, "_METRICS", (*metrics._METRICS, new))

    console = Console(width=2 * WIDE)
    with console.capture() as terminal:
        console.print(scores_table("us", leaderboard().assign(luck=0.12345)))
    made = partition()
    board = leaderboard().assign(horizon="5d", model="ridge", luck=0.12345)[:1]
    key = "5d|ridge"
    page = region_report(
        RegionResults(board, {key: made.scores}, {key: made.oof}, made.labels),
        region="us",
        config=region_config(),
        partitions=[key],
        reports=[],
    )

    for text in (terminal.get(), page):
        assert "+0.123" in text
        assert "Luck: how much of it is chance." in " ".join(text.split())
    assert ">Luck<" in page.replace("\n", "")


def test_a_trainer_is_an_import_path() -> None:
    path = f"{ElasticNetTrainer.__module__}:{ElasticNetTrainer.__name__}"
    config = small_config(models={"net": {"trainer": path}})

    trainer = ModelRegistry.from_config(config, "us").trainer("net", "21d")
    assert type(trainer) is ElasticNetTrainer
    models = graph_of(config).get(dg.AssetKey(["us", "fitted_models"]))
    assert {"21d|net", "63d|net"} <= set(models.partitions_def.get_partition_keys())


def test_an_asset_is_said_in_each_place() -> None:
    assets = list(PRODUCTS)
    assert sorted(asset.name for asset in ASSETS) == sorted(assets)
    assert list(CATALOGUE) == assets
    assert [*SUBJECTS] == [asset for asset in assets if PRODUCTS[asset].format != "html"]
    tables = {product.contract for product in PRODUCTS.values()} - {None}
    there = {path.name.partition(".")[0] for path in (ROOT / "contracts").iterdir()}
    assert there == tables | {"GateSummary"}
