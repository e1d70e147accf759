"""Who may import whom: the rule of the architecture, held by reading the imports.

`app.py → {ui, api, jobs} → flows → domains → {models, integrations} → core`, and among
the domains rightward only. A new part of `app/` must be given its place here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

DOMAINS = ("usage", "metering", "trials", "billing", "keys", "accounts")
GROUND = {"models", "integrations", "core"}
EDGES = {"ui", "api", "jobs"}
EVERYTHING = {*EDGES, "flows", *DOMAINS, *GROUND, "screening", "sandbox"}

MAY_IMPORT: dict[str, set[str]] = {
    "core": {"core"},
    "models": {"models", "core"},
    "integrations": {"integrations", "core"},
    **{name: {*DOMAINS[place:], *GROUND} for place, name in enumerate(DOMAINS)},
    "flows": {"flows", *DOMAINS, *GROUND},
    **{edge: {edge, "flows", *DOMAINS, *GROUND} for edge in EDGES},
    "screening": {"screening", "core"},
    "sandbox": {"sandbox", "core"},
    "app": EVERYTHING,
    "cli": {*EVERYTHING, "app", "cli_accounts", "cli_billing", "cli_trials", "doctor"},
    "cli_accounts": {"accounts", "cli"},
    "cli_billing": {"billing", "cli"},
    "cli_trials": {"trials", "cli"},
    "doctor": EVERYTHING,
    "__main__": {"cli"},
    "__init__": set(),
}
"""Which parts of `app/` each part may import."""

ONLY_IN = {
    "reflex": ("ui/", "app.py"),
    "fastapi": ("api/", "app.py", "screening/api.py"),
}
"""Where a framework may be imported at all."""

FRAMEWORKS = {"reflex", "fastapi", "starlette", "uvicorn"}


def imported(source: str, package: str) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it; `package` resolves dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package.split(".")[: -node.level + 1 or None]) if node.level else ""
            base = ".".join(filter(None, [start, node.module]))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def broken_rules(path: str, source: str) -> list[str]:
    """What a module under `app/` (its path from there) imports and must not."""
    part = _part(path)
    package = ".".join(["app", *path.split("/")[:-1]])
    return [
        f"app/{path} imports {name}"
        for name in imported(source, package)
        if _is_forbidden(path, part, name)
    ]


def _part(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def _is_forbidden(path: str, part: str, name: str) -> bool:
    first, *rest = name.split(".")
    if first == "app":
        return bool(rest) and rest[0] not in MAY_IMPORT[part]
    if part == "metering" and first in FRAMEWORKS:
        return True
    return first in ONLY_IN and not path.startswith(ONLY_IN[first])


def reads_environment(source: str) -> bool:
    """Whether it looks at the process's environment."""
    tree = ast.parse(source)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {name.rpartition(".")[2] for name in imported(source, "app") if name[:3] == "os."}
    return bool({"environ", "environb", "getenv"} & (attributes | names))


MODULES = sorted(path.relative_to(ROOT / "app").as_posix() for path in ROOT.glob("app/**/*.py"))


@pytest.mark.parametrize("path", MODULES)
def test_module_imports_only_what_its_layer_may(path: str) -> None:
    assert _part(path) in MAY_IMPORT, "give it a place in the rule"
    assert broken_rules(path, (ROOT / "app" / path).read_text()) == []


@pytest.mark.parametrize("path", [path for path in MODULES if path != "core/settings.py"])
def test_only_settings_read_the_environment(path: str) -> None:
    assert not reads_environment((ROOT / "app" / path).read_text())


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/clock.py", "from app.models import User"),
        ("models/user.py", "import app.integrations.mail"),
        ("keys/service.py", "from app.billing import plans"),
        ("keys/service.py", "def f():\n    from ..metering.meter import Meter"),
        ("accounts/links.py", "from app.flows.confirm import confirm"),
        ("ui/pages/keys.py", "from app.api.cookies import name"),
        ("jobs/mail.py", "from app import ui"),
        ("flows/confirm.py", "from app.jobs.app import defer"),
        ("screening/api.py", "from app.keys.format import new_key"),
        ("sandbox/stripe.py", "from ..models import User"),
        ("metering/meter.py", "from starlette.types import ASGIApp"),
        ("keys/service.py", "import fastapi"),
        ("screening/lists.py", "from fastapi import APIRouter"),
        ("api/front.py", "import reflex as rx"),
        ("cli.py", "import reflex"),
    ],
)
def test_rule_catches(path: str, source: str) -> None:
    assert len(broken_rules(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("usage/series.py", "from app.accounts.sessions import find_session"),
        ("keys/service.py", "from . import format"),
        ("ui/pages/keys.py", "import reflex as rx\nfrom app.keys import service"),
        ("screening/api.py", "import fastapi\nfrom app.core.errors import NotFound"),
        ("cli.py", "from app.ui.build import build_frontend"),
    ],
)
def test_rule_allows(path: str, source: str) -> None:
    assert broken_rules(path, source) == []


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['X']", "from os import getenv", "import os\nos.getenv('X')"]
)
def test_reading_the_environment_is_noticed(source: str) -> None:
    assert reads_environment(source)
