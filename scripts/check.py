"""Everything that `make test` checks, and one summary at the end.

A failed step does not stop the later ones, so that one run tells all; the exit code is
not 0 when any failed. Run by the environment's Python.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "var" / "tests"
BIN = Path(sys.executable).parent
LIMIT_SECONDS = 15 * 60

ACCOUNTS = tuple(
    f"tests/{name}"
    for name in ("accounts", "api", "flows", "integrations", "jobs", "keys", "trials")
)
MONEY = ("tests/billing",)
SANDBOX = ("tests/sandbox",)
METER = ("tests/metering", "tests/usage")
APART = (*ACCOUNTS, *MONEY, *SANDBOX, *METER, "tests/e2e", "tests/faults")
MODELS = tuple(
    f"tests/faults/test_{name}.py" for name in ("key_model", "openapi_conformance", "trial_model")
)
OUTAGES = tuple(
    f"tests/faults/test_{name}.py"
    for name in ("connections", "database", "kill_api", "kill_idempotency", "months", "stop")
)
"""Of the fault tests, those that compare no speeds."""
PYTEST = [str(BIN / "pytest"), "-o", "junit_family=xunit1"]  # which has a place for figures


def _without(*parts: str) -> list[str]:
    return [f"--ignore={part}" for part in parts]


STEPS = {
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "lint": [str(BIN / "ruff"), "check", "."],
    "types": [str(BIN / "mypy")],
    # importing the tests drops the operator's settings: these are the pages that they want
    "pages": [sys.executable, "-c", "import tests; from app.ui.build import main; main()"],
    "tests": [*PYTEST, "tests", *_without(*APART)],
    "accounts": [*PYTEST, *ACCOUNTS],
    "money": [*PYTEST, *MONEY],
    "sandbox": [*PYTEST, *SANDBOX],
    "meter": [*PYTEST, *METER],
    "models": [*PYTEST, *MODELS],
    "browser": [*PYTEST, "tests/e2e"],
    "outages": [*PYTEST, *OUTAGES],
    "faults": [*PYTEST, "tests/faults", *_without(*MODELS, *OUTAGES)],
}
"""The browser tests have a process of their own: Playwright keeps an event loop running."""

BESIDE = {
    "accounts": "tests",
    "money": "tests",
    "sandbox": "tests",
    "meter": "tests",
    "models": "tests",
    "outages": "browser",
}
"""These run beside others, for each waits more than it works; their words come after those."""


@dataclass
class Outcome:
    """How a step went; of pytest's steps also the counts, and notes for the summary."""

    name: str
    ok: bool
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line of the summary."""
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items() if count)
        word = "ok" if self.ok else "FAILED"
        return f"  {word:6}  {self.name:11} {self.seconds:7.1f} s  {counts}".rstrip()


def main() -> int:
    """Run the named steps, or all; 1 when any failed."""
    names = sys.argv[1:] or list(STEPS)
    if unknown := [name for name in names if name not in STEPS]:
        sys.exit(f"No such step: {', '.join(unknown)}. There are: {', '.join(STEPS)}.")
    RESULTS.mkdir(parents=True, exist_ok=True)
    environment, began = dict(os.environ), time.monotonic()
    outcomes = []
    if "browser" in names:
        outcomes.append(_find_browser(environment))
    for name in names:
        if BESIDE.get(name) not in names:
            beside = [one for one in names if BESIDE.get(one) == name]
            running = [_start(one, environment, quietly=one != name) for one in (name, *beside)]
            outcomes += [_end(one) for one in running]
    _summarise(outcomes, began)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _find_browser(environment: dict[str, str]) -> Outcome:
    """Find or install one before the tests that need it; they read $CHROMIUM."""
    started = time.monotonic()
    command = [sys.executable, str(ROOT / "scripts" / "browser.py")]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    environment["CHROMIUM"] = found.stdout.strip()
    return Outcome("chromium", found.returncode == 0, time.monotonic() - started)


@dataclass
class Running:
    """A step that has been started; what it says goes to `log`, if there is one."""

    name: str
    started: float
    report: Path
    process: "subprocess.Popen[bytes]"
    log: Path | None


def _start(name: str, environment: dict[str, str], *, quietly: bool) -> Running:
    command, report = STEPS[name], RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    if command[0] == PYTEST[0]:
        command = [*command, f"--junitxml={report}"]
    started = time.monotonic()
    if not quietly:
        _say(f"\n== {name}\n")
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        return Running(name, started, report, process, None)
    log = RESULTS / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    return Running(name, started, report, process, log)


def _end(running: Running) -> Outcome:
    """Wait for it, and say how it went."""
    code = _within_limit(running.process, running.started)
    if running.log is not None:
        _say(f"\n== {running.name}\n{running.log.read_text(errors='replace')}")
    outcome = Outcome(running.name, code == 0, time.monotonic() - running.started)
    if running.report.exists():
        _read_report(running.report, outcome)
    return outcome


def _say(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()


def _within_limit(process: "subprocess.Popen[bytes]", started: float) -> int:
    """Wait for it; one that hangs is interrupted, so that pytest still says where."""
    try:
        return process.wait(max(0.0, started + LIMIT_SECONDS - time.monotonic()))
    except subprocess.TimeoutExpired:
        _say(f"Interrupted after {LIMIT_SECONDS // 60} minutes.\n")
        process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
    return 1


def _read_report(report: Path, outcome: Outcome) -> None:
    """Counts, and the figures that tests recorded as properties of that name."""
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 (pytest wrote it)
    if suite is None:
        return
    number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    passed = number["tests"] - failed - number["skipped"]
    outcome.counts = {"passed": passed, "failed": failed, "skipped": number["skipped"]}
    figures = suite.findall(".//property[@name='figures']")
    outcome.notes = [figure.get("value", "") for figure in figures]


def _summarise(outcomes: list[Outcome], began: float) -> None:
    lines = ["", "== summary", *(outcome.line() for outcome in outcomes)]
    lines += [f"  note    {note}" for outcome in outcomes for note in outcome.notes]
    total = {
        what: sum(outcome.counts.get(what, 0) for outcome in outcomes)
        for what in ("passed", "failed", "skipped")
    }
    seconds = time.monotonic() - began
    failed = [outcome.name for outcome in outcomes if not outcome.ok]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "All steps passed"
    lines += [f"  {verdict}, in {seconds / 60:.1f} minutes."]
    if any(outcome.counts for outcome in outcomes):
        lines += [", ".join(f"{count} {what}" for what, count in total.items())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
