"""`.env.example` and the README's table tell every setting, and no other."""

import re
from pathlib import Path

import pytest

from app.core.settings import ROOT, Settings

SETTINGS = {name.upper() for name in Settings.model_fields}
EXAMPLE = (ROOT / ".env.example").read_text()


def shown_in_example() -> dict[str, str]:
    return dict(re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


def named_in_readme() -> set[str]:
    text = (ROOT / "README.md").read_text()
    section = text.partition("## Settings\n")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`([A-Z][A-Z0-9_]*)`", cell)}


def test_example_shows_every_setting_and_no_other() -> None:
    assert set(shown_in_example()) == SETTINGS


def test_example_changes_nothing_when_copied() -> None:
    assert all(line.startswith("#") or not line for line in EXAMPLE.splitlines())


def test_readme_table_names_every_setting_and_no_other() -> None:
    assert named_in_readme() == SETTINGS


@pytest.mark.parametrize(("name", "value"), shown_in_example().items())
def test_example_shows_the_default(name: str, value: str, tmp_path: Path) -> None:
    default = getattr(Settings(), name.lower())
    (tmp_path / "env").write_text(f"{name}={value}\n")
    shown = getattr(Settings(_env_file=tmp_path / "env"), name.lower())
    if isinstance(default, Path):
        assert ROOT / shown == default
    else:
        assert shown == default
