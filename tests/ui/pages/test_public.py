"""The public pages: what they say before any script has run."""

import json
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import quote_plus

import pytest
import reflex as rx

from app.accounts.addresses import safe_next
from app.billing.plans import get_plans
from app.core.errors import PROBLEM_CONTENT_TYPE, InvalidRequest, NotFound
from app.core.settings import Settings
from app.ui.figures import amount, count, day, money, price
from app.ui.pages import sign_in
from app.ui.pages.error_code_list import ERROR_CODES
from app.ui.pages.public import public_pages
from app.ui.pages.snippets import EXAMPLE_NAME, KEY_PLACEHOLDER, SHORT_ANSWER, screen_snippets
from tests.issuer.real import issuer_settings


def drawn(component: rx.Component) -> str:
    return str(component.render())


def test_every_public_page_has_one_heading_and_one_main() -> None:
    for page, look in public_pages():
        drawing = drawn(page())
        assert drawing.count("'name': '\"h1\"'") == 1, look["route"]
        assert drawing.count("'name': '\"main\"'") == 1, look["route"]


def test_titles_and_descriptions_differ_from_page_to_page() -> None:
    looks = [look for _, look in public_pages()]
    assert len({look["title"] for look in looks}) == len(looks)
    assert len({look["description"] for look in looks}) == len(looks)


def test_the_pricing_page_shows_every_plan_as_the_file_has_it() -> None:
    page = next(page for page, look in public_pages() if look["route"] == "/pricing")
    drawing = drawn(page())
    for tier in get_plans().tiers:
        assert tier.name in drawing
        assert price(tier.monthly_usd_cents) in drawing
        assert count(tier.units_per_month) in drawing
    assert f"{get_plans().trials.days} days" in drawing


def test_amounts_show_cents_only_where_there_are_any() -> None:
    assert [money(0), money(4_900), money(4_950), money(499_000)] == [
        "$0",
        "$49",
        "$49.50",
        "$4,990",
    ]


def test_the_three_snippets_make_the_same_call() -> None:
    snippets = screen_snippets()
    assert [snippet.label for snippet in snippets] == ["curl", "Python", "JavaScript"]
    for snippet in snippets:
        assert "$ORIGIN/api/v1/screen" in snippet.code
        assert f"Bearer {KEY_PLACEHOLDER}" in snippet.code
        assert EXAMPLE_NAME in snippet.code


def test_the_python_snippet_is_python_and_the_answer_is_json() -> None:
    compile(screen_snippets()[1].code, "snippet", "exec")
    assert json.loads(SHORT_ANSWER)["status"] == "potential_match"


def test_error_codes_are_listed_once_and_by_status() -> None:
    codes = [row.code for row in ERROR_CODES]
    assert len(set(codes)) == len(codes)
    assert [row.status for row in ERROR_CODES] == sorted(row.status for row in ERROR_CODES)
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


def test_the_core_errors_are_documented() -> None:
    documented = {(row.code, row.status) for row in ERROR_CODES}
    for error in (NotFound, InvalidRequest):
        assert (error.code, error.status) in documented
    assert PROBLEM_CONTENT_TYPE == "application/problem+json"


def test_amounts_on_a_bill_are_to_the_cent_and_days_are_in_utc() -> None:
    assert [amount(0, "usd"), amount(123_456, "USD"), amount(-50, "usd"), amount(900, "eur")] == [
        "$0.00",
        "$1,234.56",
        "\N{MINUS SIGN}$0.50",
        "EUR 9.00",
    ]
    late = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert [day(late), day(None)] == ["1 January 2027", ""]


def test_strangers_who_choose_a_plan_come_back_to_it_after_signing_up() -> None:
    page = next(page for page, look in public_pages() if look["route"] == "/pricing")
    drawing = drawn(page())
    for interval in ("month", "year"):
        wish = f"/billing/?plan=standard&interval={interval}"
        assert safe_next(wish) == wish
        assert f"/sign-up/?next={quote_plus(wish)}" in drawing
        assert f'"{wish}"' in drawing


def test_strangers_who_try_a_plan_come_back_to_it_after_signing_up() -> None:
    page = next(page for page, look in public_pages() if look["route"] == "/pricing")
    drawing = drawn(page())
    for tier in get_plans().tiers:
        wish = f"/trials/?tier={tier.id}"
        assert safe_next(wish) == wish
        is_offered = tier.monthly_usd_cents > 0
        assert (f"/sign-up/?next={quote_plus(wish)}" in drawing) is is_offered
        assert (f'"{wish}"' in drawing) is is_offered


def test_providers_have_buttons_where_they_are_configured_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for page in (sign_in.sign_in_page, sign_in.sign_up_page):
        assert "/auth/oauth/" not in drawn(page())
    monkeypatch.setattr(
        sign_in,
        "get_settings",
        lambda: Settings(
            **issuer_settings("https://login.example.com", oauth_oidc_name="Our staff"),
            oauth_google_client_id="id",
            oauth_google_client_secret="secret",
        ),
    )
    for page in (sign_in.sign_in_page, sign_in.sign_up_page):
        drawing = drawn(page())
        for name, label in (("google", "Google"), ("oidc", "Our staff")):
            assert f'"/auth/oauth/{name}"' in drawing
            assert f"Continue with {label}" in drawing
        assert "github" not in drawing
