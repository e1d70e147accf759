"""Who reaches the billing sandbox, and what it takes from a browser."""

from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from app.api.sandbox import BesideSandbox
from app.core.settings import Settings
from tests.api.browser import PUBLIC_URL, make_settings

API = "/sandbox/stripe/v1/customers"
PAGE = "/sandbox/clock"


async def ask(
    settings: Settings, path: str, method: str = "GET", *, client: str = "127.0.0.1", **headers: str
) -> tuple[int, str]:
    """Status, and who answered."""
    app = BesideSandbox(
        PlainTextResponse("portal"),
        PlainTextResponse("sandbox"),
        settings,
        api_prefix="/sandbox/stripe",
    )
    transport = httpx.ASGITransport(app, client=(client, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as browser:
        answer = await browser.request(method, path, headers=headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", [API, PAGE])
async def test_sandbox_answers_this_machines_user(settings: Settings, path: str) -> None:
    assert await ask(settings, path) == (200, "sandbox")


@pytest.mark.parametrize("path", ["/", "/billing/", "/sandboxes", "/sandbox", "/x/sandbox/clock"])
async def test_portal_answers_everything_else(settings: Settings, path: str) -> None:
    assert await ask(settings, path) == (200, "portal")


ELSEWHERE: list[dict[str, Any]] = [
    {"client": "203.0.113.9"},
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example:8000"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"Via": "1.1 proxy"},
]


@pytest.mark.parametrize("path", [API, PAGE])
@pytest.mark.parametrize("how", ELSEWHERE)
async def test_nobody_elsewhere_sees_a_sandbox(
    settings: Settings, path: str, how: dict[str, Any]
) -> None:
    assert await ask(settings, path, **how) == (200, "portal")


@pytest.mark.parametrize(
    "values",
    [
        {"host": "0.0.0.0"},
        {"public_url": "http://portal.example"},
        {"stripe_secret_key": "sk_test_x", "stripe_webhook_secret": "whsec_x"},
        {
            "stripe_secret_key": "sk_test_x",
            "stripe_webhook_secret": "whsec_x",
            "stripe_api_base": "http://127.0.0.1:8420",
        },
    ],
)
@pytest.mark.parametrize("path", [API, PAGE])
async def test_without_being_asked_for_there_is_none(
    tmp_path: Any, path: str, values: dict[str, Any]
) -> None:
    assert await ask(make_settings(tmp_path, **values), path) == (200, "portal")


@pytest.mark.parametrize("path", [API, PAGE])
async def test_asked_for_by_name_it_is_there_for_everyone(tmp_path: Any, path: str) -> None:
    settings = make_settings(
        tmp_path, billing_sandbox="on", host="0.0.0.0", public_url="https://a.example",
        secret_key="x" * 32,
    )  # fmt: skip
    assert settings.has_sandbox
    answered = await ask(settings, path, client="203.0.113.9", Host="a.example")
    assert answered == (200, "sandbox")


async def test_browsers_must_come_from_our_own_page(settings: Settings) -> None:
    assert (await ask(settings, PAGE, "POST", Origin=PUBLIC_URL)) == (200, "sandbox")
    for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert (await ask(settings, PAGE, "POST", **headers))[0] == 403


async def test_api_asks_for_its_key_instead_of_an_origin(settings: Settings) -> None:
    assert (await ask(settings, API, "POST")) == (200, "sandbox")
    assert (await ask(settings, API, "DELETE")) == (200, "sandbox")
    assert (await ask(settings, "/sandbox/stripe", "POST"))[0] == 403
