"""The browser, and the portals that it looks at."""

import os
import shutil

import pytest

from app.ui.build import build_frontend
from tests.conftest import TEMPLATE, new_database
from tests.portal import running_portal

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    return {
        **browser_type_launch_args,
        "args": FLAGS,
        **({"executable_path": path} if path else {}),
    }


@pytest.fixture(scope="module")
def portal(postgres, tmp_path_factory):
    """A portal and its database, for all tests of a module."""
    with (
        new_database(postgres, TEMPLATE) as url,
        running_portal(tmp_path_factory.mktemp("portal"), DATABASE_URL=url) as running,
    ):
        running.database_url = url
        yield running


@pytest.fixture(scope="session", autouse=True)
def built_pages():
    """The pages as `make run` would build them; nothing happens when they are current."""
    build_frontend()
