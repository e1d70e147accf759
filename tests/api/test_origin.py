"""Only pages of ours may change something; and every page is shown under one name."""

import re
from urllib.parse import urlsplit

import pytest
from fastapi.routing import iter_route_contexts
from starlette.responses import PlainTextResponse

from app.api.http import make_http
from app.api.origin import OriginGuard
from app.models import Session, SignInLink
from tests.api.browser import PUBLIC_URL, ask, mail_link, make_settings, opened, sign_in
from tests.api.test_auth import count

FOREIGN = [None, "", "null", "https://evil.example", "http://localhost:8001", "https://localhost:8000",
           "http://localhost", "http://localhost:8000.evil.example", "http://localhost:8000/",
           "HTTP://LOCALHOST:8000", "http://127.0.0.1:8000"]  # fmt: skip

OTHER_HOSTS = ["localhost:8000", "localhost", "LOCALHOST:8000", "evil.example", "",
               "localhost.evil.example:8000", "127.0.0.1.evil.example"]  # fmt: skip
STRANGE_PATHS = [b"@evil.example/", b".evil.example/", b":80@evil.example/", b"//evil.example/",
                 b"/\\evil.example/", b"/@evil.example", b"https://evil.example/", b"", b"*",
                 b"/%0d%0aX: y", b"/\r\nX: y", b"/\xff"]  # fmt: skip


SIGNED = {"/webhooks/stripe", "/webhooks/github/secret-scanning"}
"""No browser posts there, and a signature is looked at instead, as their own tests show."""


def posting_paths():
    """Every path of the app that takes a method which may change something."""
    routes = iter_route_contexts(make_http(with_portal=True).routes)
    return [route.path for route in routes if route.methods - {"GET", "HEAD", "OPTIONS"}]


def test_there_are_routes_to_guard():
    assert set(posting_paths()) >= {"/auth/email", "/auth/email/confirm", "/auth/sign-out", *SIGNED}


async def test_post_from_elsewhere_changes_nothing(visitor, open_browser, unit_of_work):
    await sign_in(visitor, unit_of_work)
    await ask(visitor, "grace@example.com")
    token = (await mail_link(unit_of_work)).partition("token=")[2]
    form = {"email": "eve@example.com", "other_browser": "1"}
    del visitor.headers["origin"]
    for path in set(posting_paths()) - SIGNED:
        for origin in FOREIGN:
            headers = {} if origin is None else {"Origin": origin}
            answer = await visitor.post(
                path, params={"token": token}, data=form, headers=headers, follow_redirects=False
            )
            assert answer.status_code == 403, (path, origin)
            assert "set-cookie" not in answer.headers
    assert await count(unit_of_work, Session) == 1
    assert await count(unit_of_work, SignInLink) == 1


@pytest.fixture
async def guarded(settings):
    """A browser before an app that answers everything with what it was asked for."""

    async def echo(scope, receive, send):
        await PlainTextResponse(f"{scope['method']} {scope['path']}")(scope, receive, send)

    async with opened(settings, app=echo) as browser:
        yield browser


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
async def test_every_method_that_may_change_something_needs_our_origin(guarded, method):
    assert (await guarded.request(method, "/")).status_code == 200
    answer = await guarded.request(method, "/", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_refusal_is_a_page_for_people_and_a_problem_for_programs(guarded):
    elsewhere = {"Origin": "null"}
    page = await guarded.post("/", headers=elsewhere)
    assert page.headers["content-type"].startswith("text/html")
    assert "Open the page itself" in page.text
    problem = await guarded.post("/", headers={**elsewhere, "Accept": "*/*"})
    assert problem.json()["code"] == "foreign_origin"
    assert problem.json()["request_id"] == problem.headers["x-request-id"]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_webhooks_need_no_origin_and_only_they(guarded, origin):
    headers = {} if origin is None else {"Origin": origin}
    del guarded.headers["origin"]
    assert (await guarded.post("/webhooks/stripe", headers=headers)).status_code == 200
    for path in ("/webhooks", "/webhooksx/stripe", "/auth/webhooks/stripe", "//webhooks/stripe"):
        assert (await guarded.post(path, headers=headers)).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000", "127.0.0.1", "[::1]"])
async def test_page_under_another_loopback_name_is_sent_on(guarded, host):
    path = "/keys/%C3%BC%2F?a=1&b=%20x&c=?"
    answer = await guarded.get(path, headers={"Host": host})
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{PUBLIC_URL}{path}"


@pytest.mark.parametrize("host", OTHER_HOSTS)
async def test_page_under_any_other_name_is_not_sent_on(guarded, host):
    assert (await guarded.get("/keys/", headers={"Host": host})).status_code == 200


async def test_program_is_not_sent_on(guarded):
    for accept in ("*/*", "application/json", ""):
        answer = await guarded.get("/", headers={"Host": "127.0.0.1:8000", "Accept": accept})
        assert answer.status_code == 200


async def test_public_machine_sends_nobody_on(tmp_path):
    public = make_settings(tmp_path, public_url="https://api.example.com", secret_key="x" * 32)
    async with opened(public, app=PlainTextResponse("page")) as browser:
        assert (await browser.get("/", headers={"Host": "127.0.0.1:8000"})).status_code == 200


@pytest.mark.parametrize("raw_path", STRANGE_PATHS)
async def test_no_path_however_strange_leads_elsewhere(settings, raw_path):
    sent = []

    async def app(scope, receive, send):
        sent.append({"status": 404})

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8000"), (b"accept", b"text/html")]
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "raw_path": raw_path,
             "query_string": b"", "headers": headers, "server": ("127.0.0.1", 8000)}  # fmt: skip
    await OriginGuard(app, settings)(scope, None, send)
    if sent[0]["status"] == 307:
        location = dict(sent[0]["headers"])[b"location"].decode()
        assert urlsplit(location).netloc == "localhost:8000"
        assert location.startswith(f"{PUBLIC_URL}/")
        assert not re.search(r"\s", location)


async def test_websocket_passes(settings):
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    await OriginGuard(app, settings)({"type": "websocket", "headers": []}, None, None)
    assert passed == ["websocket"]
