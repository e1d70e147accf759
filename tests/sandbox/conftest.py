"""A stage for each test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.stage import Stage, on_stage


@pytest.fixture
async def stage(unit_of_work: Any) -> AsyncIterator[Stage]:
    async with on_stage() as made:
        yield made
