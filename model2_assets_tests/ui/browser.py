"""The system's Chromium, and the pictures that are kept of it."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Page

CHROMIUM_VARIABLE = "MODEL2_CHROMIUM"
ARTIFACTS_VARIABLE = "MODEL2_UI_ARTIFACTS"

FLAGS = (
    "--no-sandbox",  # root, as in a container, has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)


def chromium() -> str | None:
    """Return the path of a Chromium: ``MODEL2_CHROMIUM``, or one on the path; None without."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chosen = os.environ.get(CHROMIUM_VARIABLE)
    return chosen or next(filter(None, map(shutil.which, names)), None)


def keep(page: Page, name: str) -> Path:
    """Keep a screenshot in ``MODEL2_UI_ARTIFACTS``, else in ``.ui_artifacts/``."""
    folder = Path(os.environ.get(ARTIFACTS_VARIABLE) or ".ui_artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    return path
