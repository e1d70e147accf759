"""Code, keys and numbers in the monospace face, and copying them in the browser alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex.event import EventType

from app.ui.components.kinds import Text
from app.ui.components.origin import origin

_TOKEN = re.compile(
    r"""(?P<comment>(?<!\S)(?:\#|//)[^\n]*)|(?P<string>"[^"\n]*"|'[^']*')""", re.VERBOSE
)


ORIGIN = "$ORIGIN"
"""Stands in code for the address of this installation."""


@dataclass(frozen=True)
class Snippet:
    """One way to write a call: the tab's label, and the code."""

    label: str
    code: str


def mono(text: Text, **props: Any) -> rx.Component:
    """A key's start, an id or a number within text."""
    return rx.el.code(text, class_name="mono", **props)


def copy_button(
    text: Text | None = None,
    *,
    label: str = "Copy",
    what: str = "",
    on_click: EventType[()] | None = None,
) -> rx.Component:
    """Copies `text`, or without it what the nearest code block shows; says "Copied" for 2 s.

    `assets/latchkey.js` does the copying: no event reaches the server. `what` completes the
    label for screen readers ("Copy" + "the key"). `on_click` runs besides.
    """
    attributes: dict[str, Any] = {"data-copy": ""}
    if text is not None:
        attributes["data-copy-text"] = text
    events: dict[str, Any] = {} if on_click is None else {"on_click": on_click}
    return rx.el.button(
        rx.el.span(
            rx.icon("copy", size=14, aria_hidden=True),
            rx.el.span(label, class_name="word"),
            *([rx.el.span(what, class_name="sr-only")] if what else []),
            class_name="idle",
        ),
        rx.el.span(rx.icon("check", size=14, aria_hidden=True), "Copied", class_name="copied"),
        type="button",
        class_name="copy",
        custom_attrs=attributes,
        **events,
    )


def code_block(code: str, *, title: str = "", fill: dict[str, Text] | None = None) -> rx.Component:
    """A block of code with a copy button; with a `title`, in a bar above.

    `fill` replaces placeholders by values known only in the browser, such as a new key:
    `{KEY_PLACEHOLDER: State.new_key}`. `ORIGIN` in the code becomes this site's address.
    """
    copy = copy_button(what=f": {title or 'code'}")
    pre = rx.el.pre(
        rx.el.code(*highlighted(code, fill), custom_attrs={"data-copy-source": ""}),
    )
    head = [rx.el.div(rx.el.span(title), copy, class_name="code-bar")] if title else []
    return rx.el.div(
        *head, pre, *([] if title else [copy]), class_name="code", custom_attrs=_COPY_SCOPE
    )


def snippet_tabs(
    snippets: Sequence[Snippet],
    *below: rx.Component,
    id: str,  # noqa: A002  # the attribute's name
    legend: str = "Language",
    fill: dict[str, Text] | None = None,
    extra_class: str = "",
) -> rx.Component:
    """Up to three ways to write the same call, one shown at a time; `id` unique on the page.

    `below` stands under the code, in the same frame, whichever is chosen.
    Radio buttons and CSS: the choice works before any script has loaded, with arrow keys.
    """
    tabs = [_tab(snippet.label, id, checked=n == 0) for n, snippet in enumerate(snippets)]
    return rx.el.div(
        rx.el.fieldset(
            rx.el.legend(legend, class_name="sr-only"),
            rx.el.div(*tabs, class_name="tab-list"),
        ),
        *[_panel(snippet, fill or {}) for snippet in snippets],
        *below,
        class_name=f"code tabs {extra_class}".strip(),
    )


def key_line(key: Text, *, on_copy: EventType[()] | None = None) -> rx.Component:
    """A key in full with its copy button, for the one time that it is shown.

    Until it is copied, the browser asks before it leaves the page.
    """
    return rx.el.div(
        rx.el.code(key, custom_attrs={"data-copy-source": ""}),
        copy_button(what="the key", on_click=on_copy),
        class_name="key-line",
        custom_attrs={**_COPY_SCOPE, "data-unsaved": ""},
    )


_COPY_SCOPE = {"data-copy-scope": ""}


def _tab(label: str, group: str, *, checked: bool) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="radio", name=group, default_checked=checked, class_name="sr-only"),
        label,
    )


def _panel(snippet: Snippet, fill: dict[str, Text]) -> rx.Component:
    return rx.el.div(
        rx.el.pre(
            rx.el.code(*highlighted(snippet.code, fill), custom_attrs={"data-copy-source": ""}),
        ),
        copy_button(what=f"the {snippet.label} code"),
        class_name="tab-panel",
        custom_attrs=_COPY_SCOPE,
    )


def highlighted(code: str, fill: dict[str, Text] | None = None) -> list[rx.Component | Text]:
    """Code with strings and comments coloured: enough to read by, no more."""
    fill = fill or {}
    parts: list[rx.Component | Text] = []
    position = 0
    for match in _TOKEN.finditer(code):
        parts += _filled(code[position : match.start()], fill)
        parts.append(rx.el.span(*_filled(match.group(), fill), class_name=f"tok-{match.lastgroup}"))
        position = match.end()
    return [*parts, *_filled(code[position:], fill)]


def _origin_and_break() -> rx.Component:
    """The address, after which a long line may break."""
    return rx.fragment(origin(), rx.el.wbr())


def _filled(text: str, fill: dict[str, Text]) -> list[rx.Component | Text]:
    values: dict[str, rx.Component | Text] = {**fill, ORIGIN: _origin_and_break()}
    pattern = "|".join(re.escape(placeholder) for placeholder in values)
    return [values.get(part, part) for part in re.split(f"({pattern})", text) if part]
