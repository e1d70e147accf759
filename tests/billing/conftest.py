"""A shop for each test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.billing.shop import Shop, opened_shop


@pytest.fixture
async def shop(unit_of_work: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with opened_shop(monkeypatch) as made:
        yield made
