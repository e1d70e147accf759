"""Signing in and signing up: plain forms and links that need no script and no state."""

import reflex as rx

from app.core.settings import get_settings
from app.integrations.oauth import list_offers
from app.ui.components import button, field, hidden_field
from app.ui.components.plain import plain_form, plain_link
from app.ui.layouts import public_layout

SIGN_IN_ROUTE = "/sign-in"
SIGN_IN_TITLE = "Sign in"
SIGN_IN_DESCRIPTION = "Sign in to Latchkey with a link that we send to your email address."
SIGN_UP_ROUTE = "/sign-up"
SIGN_UP_TITLE = "Sign up"
SIGN_UP_DESCRIPTION = "Sign up for Latchkey with your email address and make your first key."


def sign_in_page() -> rx.Component:
    """One email field."""
    return _page(
        "Sign in",
        "We send a link to your address. No password.",
        _form(_email(), label="Send the link"),
        "New here?",
        plain_link("Sign up", "/sign-up/", custom_attrs=_KEEP_NEXT),
    )


def sign_up_page() -> rx.Component:
    """The email field, and two that may stay empty."""
    return _page(
        "Sign up",
        "We send a link to your address. No password, no card.",
        _form(
            _email(),
            field("name", "Your name", optional=True, auto_complete="name", max_length=200),
            field(
                "company", "Company", optional=True, auto_complete="organization", max_length=200
            ),
            label="Send the link",
        ),
        "Have an account?",
        plain_link("Sign in", "/sign-in/", custom_attrs=_KEEP_NEXT),
    )


_KEEP_NEXT = {"data-keep-next": ""}
"""`assets/latchkey.js` carries the page's `?next=` into such links and the form."""


def _page(
    title: str, words: str, form: rx.Component, question: str, other: rx.Component
) -> rx.Component:
    return public_layout(
        rx.el.div(
            rx.el.div(
                rx.el.div(
                    rx.el.h1(title), rx.el.p(words, class_name="muted"), class_name="stack-s"
                ),
                form,
                *_providers(),
                rx.el.p(question, " ", other, class_name="muted"),
                class_name="stack-l",
            ),
            class_name="sign",
        ),
        is_narrow=True,
    )


def _providers() -> list[rx.Component]:
    """A link for each provider that is configured where the pages are built; mostly none."""
    links = [
        plain_link(
            f"Continue with {offer.label}",
            f"/auth/oauth/{offer.name}",
            class_name="button button-secondary button-wide",
            custom_attrs=_KEEP_NEXT,
        )
        for offer in list_offers(get_settings())
    ]
    if not links:
        return []
    return [
        rx.el.div(
            rx.el.p("or", class_name="or"),
            *links,
            class_name="stack",
            role="group",
            aria_label="Other ways to sign in",
        )
    ]


def _form(*fields: rx.Component, label: str) -> rx.Component:
    return plain_form(
        *fields,
        hidden_field("next", **{"data-next": ""}),
        button(label, kind="submit", variant="primary", wide=True),
        action="/auth/email",
        class_name="stack",
    )


def _email() -> rx.Component:
    return field(
        "email",
        "Email",
        type="email",
        auto_complete="email",
        auto_focus=True,
        placeholder="you@company.com",
        max_length=200,
    )
