from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from model2_assets.config import parse_config
from model2_assets.config.partition import Partition
from model2_assets.defs.build import build_definitions
from model2_assets.defs.retrain import execute_plan, plan_region
from model2_assets.storage import Store
from model2_assets_tests.defs.daemon import DaemonHome
from model2_assets_tests.defs.small_region import SMALL_REGION, SMALL_XGBOOST
from model2_assets_tests.ui.browser import CHROMIUM_VARIABLE, FLAGS, chromium, keep
from model2_assets_tests.ui.server import served

CONFIG = {"regions": {"us": SMALL_REGION}, "models": {"xgboost": {"params": SMALL_XGBOOST}}}
WAIT_MS = 30_000


@dataclass(frozen=True)
class Site:
    """The UI, and the Dagster home behind it."""

    url: str
    home: DaemonHome


@pytest.fixture(scope="module")
def executable() -> str:
    path = chromium()
    if path is None:
        pytest.skip(f"no Chromium here; install chromium, or name one by {CHROMIUM_VARIABLE}")
    return path


@pytest.fixture(scope="module")
def site(executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a region whose data, labels, features and splits are there, and no models."""
    home = DaemonHome(tmp_path_factory.mktemp("ui") / "home")
    home.configure(CONFIG)
    definitions = build_definitions(parse_config(CONFIG), Store(str(home.data)))
    with home.instance() as instance:
        plan = plan_region("us", [Partition("21d", "ridge")])
        (preparation,) = execute_plan(definitions, instance, plan[:1])
    assert preparation.success, preparation.failures
    with served(home) as url:
        yield Site(url, home)


@pytest.fixture
def page(executable: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a page; if the test fails, keep what it looked like."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1500, "height": 950})
            page.set_default_timeout(WAIT_MS)
            yield page
            failed = getattr(request.node, "failed", False)
            if failed:
                keep(page, "failure")
        finally:
            browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.when == "call":
        item.failed = report.failed
    return report
