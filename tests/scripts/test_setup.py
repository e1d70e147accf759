"""`make setup`: what is missing gets a sentence, and what is there is left alone."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.settings import ROOT
from tests.scripts.loading import load_script


@pytest.fixture
def setup():
    return load_script("setup")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\n")
    return tmp_path


@pytest.fixture
def runs(setup, monkeypatch: pytest.MonkeyPatch):
    """Stands in for venv and pip: writes their commands down, and makes the folder."""
    commands = []

    def run(command):
        commands.append(command)
        if "venv" in command:
            path = Path(command[-1])
            (path / "bin").mkdir(parents=True, exist_ok=True)
            (path / "bin" / "python").unlink(missing_ok=True)
            (path / "bin" / "python").symlink_to(sys.executable)
            (path / "pyvenv.cfg").write_text(f"command = python -m venv --clear {path}\n")
            (path / "installing").unlink(missing_ok=True)

    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup, "say", lambda words: None)
    return commands


def bring_up(setup, project: Path, *, dev: bool = False) -> None:
    setup.Environment(project).bring_up_to_date(dev=dev)


def test_first_time_makes_the_environment_and_installs(setup, project, runs) -> None:
    bring_up(setup, project)
    assert ["venv" in runs[0], "pip" in runs[1], len(runs)] == [True, True, 2]


def test_second_time_does_nothing(setup, project, runs) -> None:
    bring_up(setup, project)
    runs.clear()
    (project / "requirements.txt").touch()
    bring_up(setup, project)
    assert runs == []


def test_tests_packages_count_as_running_packages_too(setup, project, runs) -> None:
    bring_up(setup, project, dev=True)
    runs.clear()
    bring_up(setup, project)
    assert runs == []


def test_running_packages_do_not_count_as_tests_packages(setup, project, runs) -> None:
    bring_up(setup, project)
    runs.clear()
    bring_up(setup, project, dev=True)
    assert len(runs) == 1


def test_changed_requirement_is_installed_into_the_same_environment(setup, project, runs) -> None:
    bring_up(setup, project)
    runs.clear()
    (project / "requirements.txt").write_text("# something else\n")
    bring_up(setup, project)
    assert [command[1:4] for command in runs] == [["-m", "pip", "install"]]


def test_going_back_to_earlier_requirements_installs_them(setup, project, runs) -> None:
    bring_up(setup, project, dev=True)
    earlier = (project / "requirements.txt").read_text()
    (project / "requirements.txt").write_text("# newer\n")
    bring_up(setup, project)
    (project / "requirements.txt").write_text(earlier)
    runs.clear()
    bring_up(setup, project, dev=True)
    assert len(runs) == 1


def test_interrupted_installation_is_redone_from_nothing(setup, project, runs) -> None:
    bring_up(setup, project)
    (project / ".venv" / "installing").touch()
    runs.clear()
    bring_up(setup, project)
    assert ["venv" in runs[0], "pip" in runs[1]] == [True, True]


def test_installation_that_fails_leaves_no_mark(setup, project, runs, monkeypatch) -> None:
    made = setup.run

    def fail(command):
        made(command)
        if "pip" in command:
            sys.exit("no network")

    monkeypatch.setattr(setup, "run", fail)
    with pytest.raises(SystemExit):
        bring_up(setup, project)
    assert not setup.Environment(project).is_installed("requirements.txt")


def test_moved_environment_is_made_anew(setup, project, runs) -> None:
    bring_up(setup, project)
    runs.clear()
    moved = project.rename(project.with_name("moved"))
    bring_up(setup, moved)
    assert "venv" in runs[0]


def test_old_python_gets_a_sentence(setup, monkeypatch) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed"):
        setup.complain_about_python()


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_missing_venv_module_gets_the_name_of_its_package(setup, monkeypatch, missing) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        setup.importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        setup.complain_about_python()


def test_missing_python_gets_the_name_of_its_package() -> None:
    done = subprocess.run(
        ["make", "setup", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode
    assert "apt-get install python3 python3-venv" in done.stderr


def test_missing_make_gets_the_name_of_its_package(tmp_path: Path) -> None:
    for tool in ("bash", "dirname"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}" if tool == "bash" else "/usr/bin/dirname")
    done = subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "run"], env={"PATH": str(tmp_path)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode
    assert "apt-get install make" in done.stderr
