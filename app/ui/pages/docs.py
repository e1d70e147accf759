"""The quick start: from signing up to reading the answer."""

import reflex as rx

from app.ui.components import Column, code_block, mono, snippet_tabs, table
from app.ui.layouts import public_layout
from app.ui.pages.snippets import KEY_PLACEHOLDER, SHORT_ANSWER, screen_snippets

ROUTE = "/docs"
TITLE = "Quick start"
DESCRIPTION = "Sign up, make a key, and screen your first name with curl, Python or JavaScript."

_SECTIONS = (
    ("Quick start", "/docs/"),
    ("Error codes", "/docs/errors/"),
    ("API reference", "/api/docs"),
)

_HEADERS = (
    ("X-Request-Id", "The call's id. You find the call in your log by it."),
    ("X-Units", "What this call cost."),
    ("X-Quota-Remaining", "Units left in this period."),
    ("RateLimit, RateLimit-Policy", "Requests left now, and the limit they count against."),
    ("Retry-After", "Seconds to wait, on a refusal that passes."),
    ("Idempotency-Replayed", "true: this answer was given before, and cost nothing now."),
)


def docs_page() -> rx.Component:
    """Three steps with code to copy, then what the answer's headers say."""
    return public_layout(
        docs_frame(
            "/docs/",
            rx.el.div(
                rx.el.h1("Quick start"),
                rx.el.p("Your first answered call, in about a minute.", class_name="lead"),
                class_name="stack",
            ),
            _sign_up(),
            _make_a_key(),
            _call(),
            _read_the_answer(),
            _send_it_again(),
        ),
        active="/docs/",
    )


def docs_frame(active: str, *children: rx.Component) -> rx.Component:
    """The list of docs pages beside (on small screens above) what is being read."""
    return rx.el.div(
        rx.el.nav(
            rx.el.ul(*[rx.el.li(_nav_link(*section, active)) for section in _SECTIONS]),
            aria_label="Docs",
            class_name="docs-nav",
        ),
        rx.el.div(*children, class_name="docs-body"),
        class_name="wrap docs",
    )


def _nav_link(label: str, address: str, active: str) -> rx.Component:
    current = {"aria_current": "page"} if address == active else {}
    return rx.el.a(label, href=address, class_name="text-link", **current)


def _section(anchor: str, title: str, *content: rx.Component) -> rx.Component:
    return rx.el.section(rx.el.h2(title), *content, id=anchor)


def _sign_up() -> rx.Component:
    return _section(
        "sign-up",
        "1. Sign up",
        rx.el.p(
            rx.el.a("Sign up", href="/sign-up/"),
            " with your email address. We send you a link; open it and press the button. "
            "There is no password.",
        ),
    )


def _make_a_key() -> rx.Component:
    return _section(
        "make-a-key",
        "2. Make a key",
        rx.el.p(
            "Open ",
            rx.el.a("Keys", href="/keys/"),
            " and choose Create key. The key is shown once: copy it, and put it in the place of ",
            mono(KEY_PLACEHOLDER),
            " below.",
        ),
    )


def _call() -> rx.Component:
    return _section(
        "call",
        "3. Call",
        rx.el.p(
            "Send ",
            mono("POST /api/v1/screen"),
            " with a name. The key goes into the header ",
            mono("Authorization"),
            " or ",
            mono("X-API-Key"),
            ", never into the address.",
        ),
        snippet_tabs(screen_snippets(), id="docs-call"),
    )


def _read_the_answer() -> rx.Component:
    return _section(
        "answer",
        "Read the answer",
        rx.el.p(
            mono("status"),
            " is ",
            mono("clear"),
            " or ",
            mono("potential_match"),
            ". Each result has a score from 0 to 1 and says why it matched.",
        ),
        code_block(SHORT_ANSWER, title="Answer, shortened"),
        rx.el.p(
            "Errors carry a ",
            mono("code"),
            ": see ",
            rx.el.a("Error codes", href="/docs/errors/"),
            ". Every answer has these headers:",
        ),
        table("Headers of an answer", _HEADER_COLUMNS, _HEADERS),
    )


def _send_it_again() -> rx.Component:
    return _section(
        "send-it-again",
        "Send it again safely",
        rx.el.p(
            "When an answer is lost on the way, send the same request again with the same ",
            mono("Idempotency-Key"),
            ", a text of your own for each piece of work. For 24 hours you get the first answer "
            "again, and are charged once. The same key with another body gets ",
            mono("409"),
            ". If our side crashes in the midst of the work, it may run again within a minute, "
            "charged once all the same.",
        ),
    )


_HEADER_COLUMNS = (
    Column("Header", lambda row: mono(row[0])),
    Column("What it says", lambda row: rx.el.span(row[1]), prose=True),
)
