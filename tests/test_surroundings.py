"""What lies about on a developer's machine does not reach the tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.settings import ROOT

SOURCES = [
    "tests/__init__.py",
    "app/__init__.py",
    "app/core/__init__.py",
    "app/core/oauth_settings.py",
    "app/core/settings.py",
]
INNER_TEST = """
import os
from app.core.settings import Settings

def test_surroundings():
    assert Settings().port == 8000
    assert Settings().database_url is None
    assert os.environ["TEST_DATABASE_URL"] == "postgresql://spare"
    assert not {"PORT", "port", "DATABASE_URL"} & set(os.environ)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with our settings, and a test that sees the defaults or fails."""
    for source in SOURCES:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, tmp_path / source)
    (tmp_path / "tests" / "test_inner.py").write_text(INNER_TEST)
    return tmp_path


def run(project: Path, **variables: str) -> str:
    """pytest's words about the inner test, run with these environment variables as well."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=project,
        env={**os.environ, "TEST_DATABASE_URL": "postgresql://spare", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout


def test_env_file_of_a_developer_is_not_read(project: Path) -> None:
    (project / ".env").write_text("PORT=9000\nDATABASE_URL=postgresql://real\n")
    assert "1 passed" in run(project, ENV_FILE=str(project / ".env"))


def test_environment_of_a_developer_is_dropped_but_for_what_the_tests_ask(project: Path) -> None:
    assert "1 passed" in run(project, port="9000", DATABASE_URL="postgresql://real")


def test_this_run_has_no_settings_either() -> None:
    assert os.environ["ENV_FILE"] == os.devnull
