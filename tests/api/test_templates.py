"""The plain HTML pages: they render, are accessible in outline, and run nothing inline."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from app.api.pages import render_page
from app.integrations.oauth import Offer

MAIL = SimpleNamespace(
    id="m1",
    to="ada@example.com",
    subject="Sign in <now>",
    sent_at=datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC),
    link="http://localhost:8000/auth/email/confirm?token=x",
    text="<b>plain</b>",
)
PAGES: dict[str, dict[str, object]] = {
    "check_inbox.html": {
        "email": "ada@example.com",
        "resend_after_seconds": 30,
        "dev_mail_url": "/dev/mail",
        "next": "/keys/?a=1&b=2",
    },
    "confirm.html": {"action_url": "/auth/email/confirm?token=x", "email": "ada@example.com"},
    "confirm_other_browser.html": {"action_url": "/auth/x", "email": "ada@example.com"},
    "link_invalid.html": {},
    "message.html": {"title": "Not found", "detail": "Check the address."},
    "sign_in.html": {
        "email": "ada@",
        "error": "Check it.",
        "next": "/overview/",
        "offers": [Offer("oidc", "Our <staff>", "oidc:x")],
    },
    "sign_in_failed.html": {
        "title": "The sign-in did not go through",
        "detail": "Start again.",
        "back_url": "/sign-in/?next=%2Fkeys%2F",
        "back_label": "Back to sign in",
    },
    "going_on.html": {"url": "https://provider.example/?a=1&b=2", "label": "Our <staff>"},
    "dev_mail.html": {"mails": [MAIL]},
    "report_key.html": {"error": "Paste the key."},
    "report_key_done.html": {},
}


def html(template: str, **changes: object) -> str:
    return bytes(render_page(template, **{**PAGES[template], **changes}).body).decode()


@pytest.mark.parametrize("template", PAGES)
def test_a_page_has_one_heading_one_main_and_a_title(template: str) -> None:
    page = html(template)
    assert page.count("<h1>") == 1
    assert page.count("<main") == 1
    assert re.search(r"<title>\S.* · Latchkey</title>", page)


@pytest.mark.parametrize("template", PAGES)
def test_a_page_runs_nothing_inline(template: str) -> None:
    page = html(template)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"\son[a-z]+\s*=|\sstyle\s*=|javascript:", page)


@pytest.mark.parametrize("template", PAGES)
def test_a_page_loads_nothing_from_elsewhere(template: str) -> None:
    loaded = re.findall(r"""<(?:link|script|img)[^>]*(?:href|src)="([^"]+)""", html(template))
    assert loaded
    assert all(address.startswith("/") for address in loaded)


def test_what_strangers_typed_is_escaped() -> None:
    page = html("check_inbox.html", email='"><script>x</script>@example.com')
    assert "<script>x" not in page
    page = html("dev_mail.html")
    assert "Sign in &lt;now&gt;" in page
    assert "<b>plain" not in page


def test_the_way_to_the_mail_is_shown_only_without_a_mail_server() -> None:
    assert "/dev/mail" in html("check_inbox.html")
    assert "/dev/mail" not in html("check_inbox.html", dev_mail_url=None)


def test_the_other_browser_must_say_so_knowingly() -> None:
    assert 'name="other_browser" value="1"' in html("confirm_other_browser.html")
    assert "other_browser" not in html("confirm.html")


def test_no_mail_yet_says_what_to_do() -> None:
    assert "/sign-in/" in html("dev_mail.html", mails=[])
