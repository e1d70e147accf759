"""A shop for each test."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.billing.shop import Shop, opened_shop


@pytest.fixture
async def shop(unit_of_work: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with opened_shop(monkeypatch) as made:
        yield made


@pytest.fixture
def report(
    record_property: Callable[[str, object], None], pytestconfig: pytest.Config
) -> Callable[[str], None]:
    """Says figures in the run's output and in the summary of `make test`."""

    def say(line: str) -> None:
        record_property("figures", line)
        terminal = pytestconfig.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(f"  billing: {line}")

    return say
