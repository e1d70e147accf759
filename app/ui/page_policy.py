"""The content security policy of the built pages: of inline scripts only their own, by digest."""

import base64
import hashlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Styles may be inline: the framework writes them as the page is drawn."""


def page_policy(pages: Path) -> str:
    """The policy of all pages in this folder; each works from any of them, as links load none."""
    found = {script for page in pages.rglob("*.html") for script in inline_scripts(page)}
    digests = sorted(_digest(script) for script in found)
    return POLICY.format(scripts="".join(f" '{digest}'" for digest in digests))


def inline_scripts(page: Path) -> Iterator[str]:
    """The texts of the scripts that stand in the page itself."""
    parser = _Scripts()
    parser.feed(page.read_text(encoding="utf-8"))
    yield from (script for script in parser.found if script)


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_inside = tag == "script"
        if self._is_inside:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.found[-1] += data


def _digest(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
