"""Plain HTML answers, in the portal's look, for what must work without its JavaScript."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from app.core.headers import PLAIN_PAGE
from app.core.pages import PRIVATE_HEADERS, make_environment

PUBLIC_HEADERS = {"Cache-Control": "no-cache", "Content-Security-Policy": PLAIN_PAGE}
"""For a page that is the same for everyone and needs nothing but its own files."""


def render_page(
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] = PRIVATE_HEADERS,
    **values: object,
) -> HTMLResponse:
    """The page `template`, never cached unless `headers` say otherwise; `values` are escaped."""
    html = _environment().get_template(template).render(values)
    return HTMLResponse(html, status_code=status, headers=dict(headers))


def with_code(text: str) -> Markup:
    """The text, escaped; what stands between backticks as code."""
    parts = text.split("`")
    code = Markup('<code class="code-inline">{}</code>')
    return Markup("").join(
        code.format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = make_environment(Path(__file__).parent / "templates")
    environment.filters["with_code"] = with_code
    return environment
