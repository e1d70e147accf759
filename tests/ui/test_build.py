"""The pages are built again exactly when something in them changed."""

from pathlib import Path

import pytest

from app.core.settings import Settings
from app.ui import build

PAGE = "app/ui/pages/keys.py"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (PAGE, "app/app.py", "assets/logo.svg", "reflex.lock/package.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# one")
    (tmp_path / PAGE).write_text("from app.billing.plans import Tier\nfrom app.keys import service")
    for name in ("app/billing/plans.py", "app/keys/service.py", "app/keys/format.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# one")
    for name in ("rxconfig.py", "requirements.txt", "plans.toml"):
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    return tmp_path


def settings_of(project: Path, **values: object) -> Settings:
    return Settings(
        _env_file=None,
        plans_file=project / "plans.toml",
        var_dir=project / "var",
        **{"public_url": "http://localhost:8000", "secret_key": "k" * 32, **values},
    )


@pytest.fixture
def exports(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Stands in for Reflex: writes down that it ran, and makes the folder that it makes."""
    made: list[bool] = []

    def export(*, relock: bool) -> None:
        made.append(relock)
        (project / build.STAMP).parent.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(build, "_export", export)
    monkeypatch.setattr(build, "get_settings", lambda: settings_of(project))
    return made


def silently(words: str) -> None:
    del words


def test_pages_are_built_once_and_then_current(exports: list[bool]) -> None:
    assert not build.is_built()
    assert build.build_frontend(say=silently)
    assert build.is_built()
    assert not build.build_frontend(say=silently)
    assert len(exports) == 1


@pytest.mark.parametrize(
    "name",
    [
        PAGE,
        "app/app.py",
        "app/billing/plans.py",
        "app/keys/service.py",
        "assets/logo.svg",
        "reflex.lock/package.json",
        "requirements.txt",
        "plans.toml",
    ],
)
def test_changed_input_makes_the_pages_stale(project: Path, exports: list[bool], name: str) -> None:
    build.build_frontend(say=silently)
    (project / name).write_text("# two")
    assert not build.is_built()


def test_change_behind_the_pages_leaves_them_current(project: Path, exports: list[bool]) -> None:
    build.build_frontend(say=silently)
    (project / "app/keys/format.py").write_text("# two")
    assert build.is_built()


def test_renamed_page_makes_the_pages_stale(project: Path, exports: list[bool]) -> None:
    build.build_frontend(say=silently)
    (project / PAGE).rename(project / "app/ui/pages/other.py")
    assert not build.is_built()


def test_new_dates_and_compiled_files_change_nothing(project: Path, exports: list[bool]) -> None:
    build.build_frontend(say=silently)
    (project / PAGE).touch()
    cache = project / "app/ui/__pycache__"
    cache.mkdir()
    (cache / "keys.pyc").write_text("compiled")
    assert build.is_built()


def test_force_builds_current_pages(exports: list[bool]) -> None:
    build.build_frontend(say=silently)
    assert build.build_frontend(force=True, say=silently)


def test_words_are_said_only_when_it_builds(exports: list[bool]) -> None:
    said: list[str] = []
    build.build_frontend(say=said.append)
    assert said[0].startswith("Building the pages")
    said.clear()
    build.build_frontend(say=said.append)
    assert said == []


def test_build_that_failed_is_not_taken_for_current(
    project: Path, exports: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*, relock: bool) -> None:
        raise build.FrontendBuildError

    build.build_frontend(say=silently)
    monkeypatch.setattr(build, "_export", fail)
    with pytest.raises(build.FrontendBuildError):
        build.build_frontend(force=True, say=silently)
    assert not build.is_built()


def test_every_public_address_has_pages_of_its_own(project: Path) -> None:
    digests = {
        build.inputs_digest(project, settings_of(project, public_url=url))
        for url in ("http://localhost:8000", "http://localhost:4242", "https://a.example.com")
    }
    assert len(digests) == 3


def test_pages_are_built_anew_when_a_provider_gets_its_button(project: Path) -> None:
    github = {"oauth_github_client_id": "id", "oauth_github_client_secret": "secret"}
    with_button = build.inputs_digest(project, settings_of(project, **github))
    github["oauth_github_client_secret"] = "another"
    assert with_button == build.inputs_digest(project, settings_of(project, **github))
    assert with_button != build.inputs_digest(project, settings_of(project))


def test_failure_shows_the_end_of_the_log_and_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    words = build._failure(log)
    assert "line 99" in words
    assert "line 50" not in words
    assert "run the same command again" in words
    assert str(log) in words
