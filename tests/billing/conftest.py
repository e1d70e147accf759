"""A shop for each test."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.billing.shop import Shop, opened_shop

_figures = pytest.StashKey[list[str]]()


@pytest.fixture
async def shop(unit_of_work: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with opened_shop(monkeypatch) as made:
        yield made


@pytest.fixture
def report(
    record_property: Callable[[str, object], None], pytestconfig: pytest.Config
) -> Callable[[str], None]:
    """Says a figure in the summary, and writes it to the report file, if there is one."""
    lines = pytestconfig.stash.setdefault(_figures, [])

    def say(line: str) -> None:
        lines.append(line)
        record_property("figures", line)

    return say


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_figures, []):
        terminalreporter.write_line(line)
