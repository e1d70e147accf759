"""The JavaScript packages are those of the committed lock, and no others."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.core.settings import ROOT
from app.ui import export

LOCK = ROOT / "reflex.lock"


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    file = tmp_path / "package-lock.json"
    packages = {
        "node_modules/react": {"version": "19.3.1"},
        "node_modules/@radix-ui/themes": {"version": "3.3.0"},
    }
    file.write_text(json.dumps({"packages": packages}))
    return file


@pytest.mark.parametrize(
    "wanted",
    ["react", "react@19.3.1", "react@v19.3.1", "@radix-ui/themes", "@radix-ui/themes@3.3.0"],
)
def test_package_in_the_lock_is_found(lock_file: Path, wanted: str) -> None:
    assert export.missing_packages([wanted], lock_file) == []


@pytest.mark.parametrize("wanted", ["moment", "react@19.3.2", "@radix-ui/themes@3", "@radix-ui/x"])
def test_package_or_version_not_in_the_lock_is_missing(lock_file: Path, wanted: str) -> None:
    assert export.missing_packages([wanted, "react"], lock_file) == [wanted]


def test_no_lock_has_nothing(tmp_path: Path) -> None:
    assert export.missing_packages(["react"], tmp_path / "none.json") == ["react"]


def test_build_that_needs_more_than_the_lock_stops_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=r"no-such-package.*make lock"):
        export.install_locked({"no-such-package"}, SimpleNamespace(plugins=[]))


def test_lock_names_no_registry() -> None:
    """So that it installs from whatever registry the machine is set up for."""
    lock = json.loads((LOCK / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert not re.search(r"\bregistry\.", (LOCK / "package.json").read_text())
