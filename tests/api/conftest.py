"""Browsers that look at the mounted routes, on this test's database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.accounts import limits
from app.core.settings import Settings
from tests.api.browser import PUBLIC_URL, make_settings, opened
from tests.issuer.real import running_issuer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


@pytest.fixture
async def open_browser(unit_of_work: Any, settings: Settings) -> AsyncIterator[Any]:
    """Opens a browser; `changed` is settings of its own. Closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(changed: Settings | None = None, **options: Any) -> httpx.AsyncClient:
            return await stack.enter_async_context(opened(changed or settings, **options))

        yield open_one


@pytest.fixture
def asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links may be asked for as often as one likes."""
    for name in ("LINKS_OF_MAILBOX", "LINKS_OF_NETWORK", "LINKS_OVERALL"):
        monkeypatch.setattr(limits, name, 1_000_000)
    monkeypatch.setattr(limits, "RESEND_AFTER_SECONDS", 0)


@pytest.fixture
async def visitor(open_browser: Any) -> httpx.AsyncClient:
    return await open_browser()


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """A real OpenID provider's address; it knows a portal at `PUBLIC_URL`."""
    with running_issuer(f"{PUBLIC_URL}/auth/oauth/oidc/callback") as address:
        yield address
