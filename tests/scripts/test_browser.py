"""The browser for the tests: one that is there, else one that is fetched, else a clear no."""

from pathlib import Path

import pytest

from tests.scripts.loading import load_script


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch):
    """The script, on a machine with nothing, where nothing can be installed."""
    script = load_script("browser")
    monkeypatch.setattr(script, "say", lambda words: None)
    monkeypatch.setattr(script, "succeeds", lambda command: False)
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    return script


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program on PATH that ends with the given code."""

    def put(name: str, code: int = 0) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nexit {code}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return str(path)

    return put


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_installed_browser_is_used(browser, put, capsys, name: str) -> None:
    path = put(name)
    browser.main()
    assert capsys.readouterr().out == f"{path}\n"


def test_named_browser_goes_first(browser, put, capsys, monkeypatch) -> None:
    put("chromium")
    monkeypatch.setenv("CHROMIUM", put("mine"))
    browser.main()
    assert capsys.readouterr().out.endswith("/mine\n")


def test_named_browser_that_does_not_start_is_an_error(browser, put, monkeypatch) -> None:
    put("chromium")
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    with pytest.raises(SystemExit, match="does not start"):
        browser.main()


def test_root_gets_debians_package(browser, put, capsys, monkeypatch) -> None:
    put("apt-get")
    commands = []

    def install(command: list[str]) -> bool:
        commands.append(command)
        if "install" in command:
            put("chromium")
        return True

    monkeypatch.setattr(browser, "succeeds", install)
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0)
    browser.main()
    assert commands[0] == ["apt-get", "update"]
    assert capsys.readouterr().out.endswith("/chromium\n")


def test_others_than_root_do_not_touch_the_machines_packages(browser, put, monkeypatch) -> None:
    put("apt-get")
    commands = []
    monkeypatch.setattr(browser, "succeeds", lambda command: bool(commands.append(command)))
    monkeypatch.setattr(browser.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit):
        browser.main()
    assert ["playwright" in command for command in commands] == [True]


def test_no_browser_at_all_fails_with_the_remedy(browser, put) -> None:
    put("chromium", code=127)
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        browser.main()
