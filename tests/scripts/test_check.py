"""`make test`: all steps run, one summary tells, and the exit code is honest."""

import sys
from pathlib import Path

import pytest

from tests.scripts.loading import load_script

PASSING = (
    "def test_one(): pass\ndef test_two(record_property): record_property('figures', '7 of 7')"
)
FAILING = "def test_three(): assert False"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The script, with steps of ours in a folder of ours."""
    script = load_script("check")
    (tmp_path / "test_good.py").write_text(PASSING)
    (tmp_path / "test_bad.py").write_text(FAILING)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "RESULTS", tmp_path / "results")
    steps = {
        "bad": [*script.PYTEST, "-q", "test_bad.py"],
        "good": [*script.PYTEST, "-q", "test_good.py"],
        "none": [*script.PYTEST, "-q", "test_good.py", "-k", "nothing_of_that_name"],
        "slow": [sys.executable, "-c", "import time; time.sleep(60)"],
    }
    monkeypatch.setattr(script, "STEPS", steps)
    return script


def run(check, monkeypatch, *names: str) -> int:
    monkeypatch.setattr(sys, "argv", ["check.py", *names])
    return check.main()


def test_later_steps_run_after_a_failed_one(check, monkeypatch, capfd) -> None:
    assert run(check, monkeypatch, "bad", "good") == 1
    summary = capfd.readouterr().out.partition("== summary")[2]
    assert "FAILED  bad" in summary
    assert "ok      good" in summary
    assert "2 passed" in summary
    assert summary.endswith("\n2 passed, 1 failed, 0 skipped\n")


def test_step_runs_beside_another_and_is_told_of_after_it(check, monkeypatch, capfd) -> None:
    monkeypatch.setattr(check, "BESIDE", {"bad": "good"})
    assert run(check, monkeypatch, "bad", "good") == 1
    output = capfd.readouterr().out
    words, _, summary = output.partition("== summary")
    assert words.index("== good") < words.index("== bad") < words.index("def test_three")
    assert "FAILED  bad" in summary
    assert "2 passed, 1 failed" in summary


def test_step_runs_alone_without_the_one_that_it_would_run_beside(check, monkeypatch) -> None:
    monkeypatch.setattr(check, "BESIDE", {"good": "bad"})
    assert run(check, monkeypatch, "good") == 0


def test_all_passing_is_success(check, monkeypatch, capfd) -> None:
    assert run(check, monkeypatch, "good") == 0
    assert "All steps passed" in capfd.readouterr().out


def test_step_without_tests_is_a_failure(check, monkeypatch, capfd) -> None:
    assert run(check, monkeypatch, "none") == 1


def test_figures_of_tests_are_in_the_summary(check, monkeypatch, capfd) -> None:
    run(check, monkeypatch, "good")
    assert "note    7 of 7" in capfd.readouterr().out


def test_step_that_hangs_is_ended_and_fails(check, monkeypatch, capfd) -> None:
    monkeypatch.setattr(check, "LIMIT_SECONDS", 0.2)
    assert run(check, monkeypatch, "slow") == 1


def test_missing_browser_fails_the_run(check, monkeypatch, capfd, tmp_path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "browser.py").write_text("import sys; sys.exit('none')")
    check.STEPS["browser"] = [*check.PYTEST, "-q", "test_good.py"]
    assert run(check, monkeypatch, "browser") == 1
    assert "FAILED  chromium" in capfd.readouterr().out
