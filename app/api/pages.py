"""Plain HTML answers, in the portal's look, for what must work without its JavaScript."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from app.core.assets import asset_url

PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
"""For every page about one person, and every page with a token in its address."""


def render_page(template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """The page `template`, never cached; `values` are escaped."""
    html = _environment().get_template(template).render(values)
    return HTMLResponse(html, status_code=status, headers=PRIVATE_HEADERS)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )
    environment.globals["asset"] = asset_url
    return environment
