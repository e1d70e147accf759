"""The figures of the fault tests, shown in the summary of every run."""

from collections.abc import Callable

import pytest

_figures = pytest.StashKey[list[str]]()


@pytest.fixture
def report(pytestconfig: pytest.Config, record_property: Callable[[str, object], None]):
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
