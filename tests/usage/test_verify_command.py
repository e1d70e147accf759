"""`usage verify` at the terminal."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli import cli
from app.usage import verify_command
from app.usage.differences import Difference, Figures
from app.usage.verify import Report
from app.usage.verify_command import Progress, lines_of, progress_line
from tests.api.browser import make_settings
from tests.usage.log import MONTH, Call, Log

Invoke = Callable[..., Result]


@pytest.fixture
def log(database_url: str) -> Iterator[Log]:
    found = Log(database_url)
    found.begin()
    found.record([Call(), Call("key-3", 100, status=404)])
    found.fold()
    yield found
    found.close()


@pytest.fixture
def invoke(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    settings = make_settings(tmp_path / "var", database_url=database_url)
    monkeypatch.setattr("app.cli._settings", lambda: settings)
    return lambda *options: CliRunner().invoke(cli, ["usage", "verify", *options])


def test_agreement_is_said_and_ends_well(log: Log, invoke: Invoke) -> None:
    done = invoke()
    assert done.exit_code == 0, done.output
    assert done.output == (
        f"Compared the counters of 2 calls; the log begins at {MONTH:%Y-%m-%d %H:%M} UTC. "
        "They equal the log.\n"
    )


def test_difference_is_said_with_the_remedy_and_ends_badly_until_repaired(
    log: Log, invoke: Invoke
) -> None:
    log.execute("""UPDATE latchkey."UsageHour" SET units = 8 WHERE "keyId" = 'key-3'""")
    for _ in range(2):
        done = invoke()
        assert done.exit_code == 1
        first, last = done.output.splitlines()
        assert first == (
            f"UsageHour of key key-3, {MONTH:%Y-%m-%d} 01:00, /a 4xx: "
            "counted 1 calls, 8 units, 5 ms; by the log 1 calls, 1 units, 5 ms"
        )
        assert last.endswith("1 counter differs. To write them anew from the log: "
                             "python -m app usage verify --repair")  # fmt: skip
    done = invoke("--repair")
    assert done.exit_code == 0
    assert done.output.endswith("1 counter differs: written anew from the log.\n")
    assert invoke().exit_code == 0


def test_range_and_key_are_taken(log: Log, invoke: Invoke) -> None:
    log.execute('UPDATE latchkey."UsageHour" SET units = 8')
    one = f"{MONTH:%Y-%m-%d}T01:00:00"
    for options, lines in (
        ([], 3),
        (["--from", one], 2),
        (["--to", one], 2),
        (["--from", one, "--key", "key-1"], 1),
        (["--key", "key-1"], 2),
    ):
        assert len(invoke(*options).output.splitlines()) == lines


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "2026-11-02", "--to", "2026-11-01"], "give --to the later time"),
        (["--key", "nobody's"], "There is no key with this id"),
        (["--from", "yesterday"], "Invalid value"),
    ],
)
def test_nonsense_is_told(log: Log, invoke: Invoke, options: list[str], words: str) -> None:
    done = invoke(*options)
    assert done.exit_code in {1, 2}
    assert isinstance(done.exception, SystemExit)
    assert words in done.output


def test_help_says_what_is_not_compared() -> None:
    done = CliRunner().invoke(cli, ["usage", "verify", "--help"])
    said = " ".join(re.sub(r"[^\w,.()-]", " ", done.output).split())
    assert "What the log no longer holds is not compared" in said
    assert "exit code is 1 when something differs and was not repaired" in said


def test_long_lists_end_with_how_many_more_there_are() -> None:
    one = Difference("UsageHour of key a", Figures(1, 1, 1), Figures(1, 1, 1))
    report = Report(datetime(2026, 11, 1, tzinfo=UTC), 10_000, 1_234, [one])
    lines = lines_of(report, repair=False)
    assert lines[0] == "UsageHour of key a: the latencies lie in other buckets than in the log"
    assert lines[1] == "and 1,233 more"
    assert "1,234 counters differ." in lines[2]


class Terminal(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: is_terminal  # type: ignore[method-assign]


def test_long_work_says_its_rate_and_end_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(verify_command.time, "monotonic", lambda: now)

    def said(*, is_terminal: bool) -> list[Any]:
        nonlocal now
        now = 100.0
        out = Terminal(is_terminal=is_terminal)
        progress = Progress(out)
        for at, done in ((101.0, 5), (102.5, 50), (102.6, 55), (104.0, 100)):
            now = at
            progress(done, 200)
        progress.end()
        return re.findall(r"(\d+) of 200 calls \((\d+) %\), (\d+) a second", out.getvalue())

    assert said(is_terminal=True) == [("50", "25", "20"), ("100", "50", "25")]
    assert said(is_terminal=False) == []


def test_progress_is_one_line() -> None:
    at = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
    assert progress_line(500_000, 1_000_000, 65_000.4, at) == (
        "500,000 of 1,000,000 calls (50 %), 65,000 a second, done at 03:04:05 UTC"
    )
    assert progress_line(0, 0, 0, at).startswith("0 of 0 calls (100 %)")
