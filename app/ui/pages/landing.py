"""The start page: what it is, the first call, how it works, and what it costs."""

import reflex as rx

from app.billing.plans import Plans, Tier, get_plans
from app.ui.components import call_badge, key_badge, link_button, mono, snippet_tabs
from app.ui.components.code import highlighted
from app.ui.figures import count, price
from app.ui.layouts import public_layout
from app.ui.pages.snippets import SHORT_ANSWER, screen_snippets

ROUTE = "/"
TITLE = "Latchkey: get a key, make a call, see every call you made"
DESCRIPTION = (
    "Sign up, make a key and screen a name against watchlists with one request. "
    "Every call is in your log before its answer leaves."
)


def landing_page() -> rx.Component:
    """Words, code and prices only: no state, so it is whole before any script runs."""
    plans = get_plans()
    return public_layout(_hero(plans), _how_it_works(), _promises(), _prices(plans))


def _hero(plans: Plans) -> rx.Component:
    free = plans.get_tier("free")
    return rx.el.div(
        rx.el.div(
            rx.el.h1("Get a key.", rx.el.br(), "Make a call.", rx.el.br(), "See every call."),
            rx.el.p(
                "Latchkey is the front door of an API: sign up, screen a name against "
                "watchlists with one request, and watch each call arrive in your log.",
                class_name="lead",
            ),
            rx.el.div(
                link_button("Get a key", "/sign-up/", variant="primary"),
                link_button("Read the quick start", "/docs/"),
                class_name="row",
            ),
            rx.el.p(
                f"{count(free.units_per_month)} calls a month are free. No card.",
                class_name="muted",
            ),
            class_name="hero-words",
        ),
        _first_call(),
        class_name="wrap hero",
    )


def _first_call() -> rx.Component:
    """The call, its answer, and its line in the log: the whole product in one picture."""
    answer = rx.el.div(
        rx.el.div("Answer, shortened", call_badge(200), class_name="code-bar"),
        rx.el.pre(rx.el.code(*highlighted(SHORT_ANSWER))),
        class_name="hero-answer",
    )
    return rx.el.div(
        snippet_tabs(screen_snippets(), answer, id="hero-call", extra_class="ink"),
        rx.el.div(
            _line(
                mono("/api/v1/screen"),
                call_badge(200),
                rx.el.span("in your log, just now", class_name="muted"),
            ),
            class_name="exhibit hero-log",
        ),
        class_name="hero-call",
    )


def _how_it_works() -> rx.Component:
    return _section(
        "From nothing to a recorded call",
        "Three steps, about a minute.",
        rx.el.ol(
            _step(
                "1",
                "Create a key",
                "Sign up with your address, open the link, name your key. "
                "It is shown once and kept nowhere.",
                _line(mono("lk_live_7fQ2…"), key_badge("active")),
                _line(mono("lk_live_Zk81…"), key_badge("revoked")),
            ),
            _step(
                "2",
                "Call the API",
                "Send the key in a header. The answer says what the call cost and what is left.",
                _line(mono("X-Units"), mono("1")),
                _line(mono("X-Quota-Remaining"), mono("999")),
            ),
            _step(
                "3",
                "See it in the log",
                "Refused calls too, with the request id that your program received.",
                _line(mono("/api/v1/screen"), call_badge(200)),
                _line(mono("/api/v1/screen"), call_badge(401)),
            ),
            class_name="columns-3",
        ),
    )


def _promises() -> rx.Component:
    promises = (
        (
            "Recorded first",
            "The answer leaves after its row is saved. What you received is in the log, once.",
        ),
        (
            "Errors cost nothing",
            "Only answered calls use your quota. Refusals and faults are free.",
        ),
        ("Revoked in a second", "A key that you revoke is refused everywhere within one second."),
        (
            "Nothing to steal",
            "We keep a digest of your key, never the key. Bodies are masked before they are "
            "stored.",
        ),
    )
    return _section(
        "What you can rely on",
        "",
        rx.el.div(
            *[
                rx.el.div(rx.el.h3(title), rx.el.p(words, class_name="muted"), class_name="stack-s")
                for title, words in promises
            ],
            class_name="columns-4",
        ),
    )


def _prices(plans: Plans) -> rx.Component:
    return _section(
        "Plans",
        "Every account starts on the free one, without a card. Pay by the month or by the year.",
        rx.el.ul(*[_plan(tier) for tier in plans.tiers], class_name="columns-3"),
        rx.el.div(link_button("Compare plans", "/pricing/"), class_name="row"),
    )


def _plan(tier: Tier) -> rx.Component:
    return rx.el.li(
        rx.el.h3(tier.name),
        rx.el.p(price(tier.monthly_usd_cents), class_name="plan-price"),
        rx.el.p(f"{count(tier.units_per_month)} units a month", class_name="muted"),
        rx.el.p(tier.description, class_name="muted"),
        class_name="card plan-card",
    )


def _section(title: str, words: str, *content: rx.Component) -> rx.Component:
    intro = [rx.el.p(words, class_name="muted")] if words else []
    return rx.el.section(
        rx.el.div(
            rx.el.div(rx.el.h2(title), *intro, class_name="section-head"),
            *content,
            class_name="wrap section",
        ),
        class_name="section-line",
    )


def _step(number: str, title: str, words: str, *lines: rx.Component) -> rx.Component:
    return rx.el.li(
        rx.el.h3(rx.el.span(number, class_name="step-number"), " ", title),
        rx.el.p(words, class_name="muted"),
        rx.el.div(*lines, class_name="exhibit"),
        class_name="step",
    )


def _line(*pieces: rx.Component) -> rx.Component:
    return rx.el.div(*pieces, class_name="exhibit-line")
