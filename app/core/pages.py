"""What all plain HTML pages share: the frame around them, the look, and escaping."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.core.assets import asset_url
from app.core.headers import NO_STORE, PLAIN_PAGE

PRIVATE_HEADERS = {
    "Cache-Control": NO_STORE,
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": PLAIN_PAGE,
}
"""For every page about one person, and every page with a token in its address."""


def make_environment(templates: Path) -> Environment:
    """Templates from this directory, which may extend `base.html`; values are escaped."""
    environment = Environment(
        loader=FileSystemLoader([templates, Path(__file__).parent / "templates"]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )
    environment.globals["asset"] = asset_url
    return environment
