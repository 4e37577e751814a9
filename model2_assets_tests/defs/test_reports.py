"""Reports of a real retrain: where they are, what they say, and that their links lead there."""

from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import dagster as dg
import pytest

from model2_assets.evaluation import wide_scores
from model2_assets.reports import report_digest
from model2_assets.storage import Address
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import Workbench, small_config
from model2_assets_tests.reports.page import Page, value

pytestmark = pytest.mark.end_to_end

PARTITIONS = [(h, m) for h in ("21d", "63d") for m in ("ridge", "xgboost")]


def materialization(bench: Workbench, asset: str, partition: str | None) -> dg.AssetMaterialization:
    records = dg.AssetRecordsFilter(
        bench.key(asset), asset_partitions=[partition] if partition else None
    )
    (record,) = bench.instance.fetch_materializations(records, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization


@pytest.mark.parametrize(("horizon", "model"), PARTITIONS)
def test_tear_sheet_shows_the_stored_scores(trained: Trained, horizon: str, model: str) -> None:
    page = Page(trained.bench.read("tear_sheet", horizon, model))
    wide = wide_scores(trained.bench.read("cv_scores", horizon, model))
    table = page.tables["scores-by-fold"]

    for name, scope in (("0", "fold"), ("4", "fold"), ("All", "all")):
        row = dict(zip(table.header, next(r for r in table.rows if r[0] == name), strict=True))
        stored = wide[wide["scope"] == scope]
        expected = stored.iloc[int(name) if name.isdigit() else 0]
        assert value(row["Rank IC"]) == pytest.approx(expected["rank_ic"], abs=5.1e-5)
        assert value(row["RMSE (bps)"]) == pytest.approx(expected["rmse"], abs=0.51)
        assert value(row["Rows"]) == expected["samples"]


def test_data_version_is_that_of_the_file_and_the_link_leads_to_it(trained: Trained) -> None:
    for asset, key in (("tear_sheet", "63d|ridge"), ("region_report", None)):
        address = Address("us", asset, *(key.split("|") if key else ()))
        made = materialization(trained.bench, asset, key)
        assert made.tags is not None
        assert made.tags["dagster/data_version"] == report_digest(trained.bench.store.load(address))
        path = Path(str(trained.bench.store.path(address)))
        assert made.metadata["report"] == dg.MetadataValue.path(str(path))
        url = urlparse(made.metadata["open_report"].value)
        assert url.scheme == "file"
        assert Path(url2pathname(url.path)) == path


def test_links_between_reports_lead_to_files(trained: Trained) -> None:
    region = Path(str(trained.bench.store.path(Address("us", "region_report"))))
    links = [link for link in Page(region.read_text("utf-8")).links if not link.startswith("#")]
    sheets = [(region.parent / link).resolve() for link in links]

    assert len(set(sheets)) == 4
    for sheet in sheets:
        home = Page(sheet.read_text("utf-8")).links[0]
        assert (sheet.parent / home).resolve() == region.resolve()


def test_one_partition_alone_has_its_report_and_the_region_names_the_others(
    bench: Workbench,
) -> None:
    one = bench.with_config(small_config(models={"xgboost": None}, reports={}))
    assert all(run.success for run in one.retrain(horizons=("21d",)))
    first = bench.read("tear_sheet", "21d", "ridge"), bench.read("region_report")

    page = Page(first[1])
    assert "Not materialized, or not complete: 63d|ridge." in page.text
    assert [link for link in page.links if not link.startswith("#")] == [
        "../tear_sheet/21d/ridge/report.html"
    ]

    assert all(run.success for run in one.retrain(horizons=("21d",)))
    assert (bench.read("tear_sheet", "21d", "ridge"), bench.read("region_report")) == first
