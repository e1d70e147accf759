"""Mails from templates: `NAME.txt` and `NAME.html`, the same content twice."""

from functools import lru_cache
from pathlib import Path

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.integrations.mail.message import Mail

_TEMPLATES = Path(__file__).parent / "templates"


def render_mail(template: str, *, to: str, subject: str, message_id: str, **values: object) -> Mail:
    """The mail `template` to `to`; `values` fill the template, escaped in the HTML part."""
    values = {"to": to, "subject": subject, **values}
    html = _environment().get_template(f"{template}.html").render(values)
    return Mail(
        to=to,
        subject=subject,
        text=_environment().get_template(f"{template}.txt").render(values),
        html=css_inline.inline(html, load_remote_stylesheets=False),
        message_id=message_id,
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
