"""What a new user does first: look at the graph, train one partition, see checks and plots."""

import re

import pytest
from dagster import DagsterEventType, DagsterRunStatus
from playwright.sync_api import Locator, Page, expect

from model2_assets.storage import Address, Store
from model2_assets_tests.ui.browser import keep
from model2_assets_tests.ui.conftest import Site

pytestmark = pytest.mark.ui

HORIZON, MODEL = "21d", "ridge"
PARTITION = f"{HORIZON}|{MODEL}"
EVERY_ROW = "4,536 of 4,536 rows, each once"
RUN_MS = 90_000


def test_one_partition_is_trained_by_clicking_and_its_checks_and_plots_are_seen(
    page: Page, site: Site
) -> None:
    open_graph(page, site)
    choose_partition(page)
    launch_and_wait_for_success(page)
    see_checks_passed(page, site, require_trained(site))
    see_partition(page)
    see_pictures(page, "6-partition-pictures", at_least=1)
    page.goto(f"{site.url}/assets/us/cv_splits")
    see_pictures(page, "7-cv-splits-pictures", at_least=1)
    see_graph_filled(page, site)


def open_graph(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Lineage").click()
    for asset in ("market_data", "fitted_models", "oof_predictions", "stacking_frame"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    keep(page, "1-graph")


def choose_partition(page: Page) -> None:
    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("link", name="us_training").first.click()
    page.get_by_role("button", name="Materialize all").click()
    title = page.get_by_text("Launch runs to materialize")
    dialog = page.get_by_role("dialog").filter(has=title)
    for value in (HORIZON, MODEL):
        dialog.get_by_text("Select a partition").first.click()
        choices = page.get_by_placeholder("Filter partitions")
        page.get_by_role("menuitem").filter(has_text=value).click()
        title.click()
        expect(choices).to_have_count(0)
    expect(dialog.get_by_text("1 partition", exact=True)).to_be_visible()
    keep(page, "2-partition-chosen")


def launch_and_wait_for_success(page: Page) -> None:
    page.get_by_role("button", name="Launch 1 run").click()
    expect(page.get_by_text("Latest run:")).to_be_visible()
    page.locator("a[href*='/runs/']").first.click()
    expect(page.get_by_text(f"partition: {PARTITION}")).to_be_visible()
    over = page.get_by_text(re.compile(r"^(Success|Failure)$")).first
    expect(over).to_be_visible(timeout=RUN_MS)
    keep(page, "3-run")
    expect(over).to_have_text("Success")


def require_trained(site: Site) -> set[str]:
    """See in the instance and on disk that the UI tells the truth; return the checks that ran."""
    with site.home.instance() as instance:
        run = instance.get_runs(limit=1)[0]
        events = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    results = [event.get_dagster_event().asset_check_evaluation_data for event in events]
    assert all(result.passed and result.partition == PARTITION for result in results)
    assert run.job_name == "us_training"
    assert run.tags["dagster/partition"] == PARTITION
    assert run.status == DagsterRunStatus.SUCCESS
    store = Store(str(site.home.data))
    assert len(store.read(Address("us", "oof_predictions", HORIZON, MODEL))) > 0
    assert not store.exists(Address("us", "oof_predictions", HORIZON, "xgboost"))
    return {r.check_name for r in results if r.asset_key.path[-1] == "oof_predictions"}


def see_checks_passed(page: Page, site: Site, checks: set[str]) -> None:
    page.goto(f"{site.url}/assets/us/oof_predictions")
    tab(page, "Checks").click()
    assert {"contract", "coverage", "determinism", "stored_models_reproduce_oof"} <= checks
    for check in checks:
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(checks))
    page.get_by_text("coverage", exact=True).first.click()
    expect(page.get_by_text(EVERY_ROW)).to_be_visible()
    expect(page.get_by_text(PARTITION, exact=True).first).to_be_visible()
    keep(page, "4-checks")


def see_partition(page: Page) -> None:
    tab(page, "Partitions").click()
    for value in (HORIZON, MODEL):
        page.get_by_text(value, exact=True).locator("visible=true").first.click()
    expect(page.get_by_text("Materialized", exact=True)).to_be_visible()
    expect(metadata_row(page, "rank_ic")).to_be_visible()
    keep(page, "5-partition")


def see_pictures(page: Page, name: str, *, at_least: int) -> None:
    """Open the pictures of the page's metadata, and see that each has been drawn."""
    metadata_row(page, "pictures").get_by_text("Show Markdown").click()
    dialog = page.get_by_role("dialog")
    images = dialog.locator("img")
    expect(images.first).to_be_visible()
    widths = images.evaluate_all(
        "all => Promise.all(all.map(each => each.decode().then(() => each.naturalWidth)))"
    )
    assert len(widths) >= at_least
    assert min(widths) > 0
    keep(page, name)
    dialog.get_by_role("button", name="Close").click()


def see_graph_filled(page: Page, site: Site) -> None:
    """See the graph again, on a screen so large that its tiles show checks and partitions."""
    page.set_viewport_size({"width": 2600, "height": 1500})
    page.goto(f"{site.url}/locations/model2_assets.definitions/asset-groups/us")
    expect(page.get_by_text("25% filled").first).to_be_visible()
    keep(page, "8-graph-trained")


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("tab", name=name).or_(page.get_by_role("link", name=name)).first


def metadata_row(page: Page, key: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(key, exact=True)).last
