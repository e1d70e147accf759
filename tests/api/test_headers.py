"""Every answer tells the browser what it may do with it: of each route, page, file and refusal."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import FileResponse, Response

import app.app
from app import cli
from app.api.headers import IMMUTABLE, Headed
from app.api.http import make_http
from app.core.assets import ASSETS, asset_url
from app.core.errors import PROBLEM_CONTENT_TYPE
from app.core.headers import HSTS, server_headers
from app.core.settings import ROOT, Settings
from app.sandbox.pages.routes import _PAGES as SANDBOX_PAGES
from app.sandbox.routes.table import _TABLE as SANDBOX_API
from app.ui.build import PAGES, build_frontend
from app.ui.page_policy import _digest, inline_scripts, page_policy
from tests.api.served import served
from tests.conftest import TEMPLATE, new_database
from tests.e2e.people import seed
from tests.factories import make_key, make_user
from tests.portal import running_portal
from tests.sockets import open_socket

BUILT = ROOT / PAGES
TRUST = re.compile(r"script-src [^;]*('unsafe-inline'|'unsafe-eval'|https?:|\*)")


def mounted_routes() -> Iterator[tuple[str, str]]:
    """Method and path of each route that is mounted beside the pages."""
    for included in make_http(with_portal=True).routes:
        for route in included.original_router.routes:  # type: ignore[attr-defined]  # FastAPI's own class
            yield from ((method, route.path) for method in sorted(route.methods))


def pages() -> Iterator[str]:
    """The address of each page of the portal."""
    for name in app.app.app._unevaluated_pages:
        yield {"index": "/", "404": "/no-such-page"}.get(name, f"/{name}/")


def files() -> Iterator[str]:
    """The address of each file that is served beside the pages."""
    for path in BUILT.rglob("*"):
        if path.is_file() and path.suffix not in {".html", ".gz"}:
            yield f"/{path.relative_to(BUILT)}"


def sandbox_routes() -> Iterator[tuple[str, str]]:
    yield from ((method, path) for method, path, _ in SANDBOX_PAGES)
    yield from ((method, f"/sandbox/stripe/v1/{path}") for method, path, _ in SANDBOX_API)


@pytest.fixture(scope="module")
def portal(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    build_frontend()
    with (
        new_database(postgres, TEMPLATE) as url,
        running_portal(tmp_path_factory.mktemp("portal"), DATABASE_URL=url) as running,
    ):
        running.database_url = url
        yield running


@pytest.fixture
def client(portal: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=portal.url, timeout=20) as opened:
        yield opened


def assert_sound(answer: httpx.Response, *, is_ours: bool = True) -> None:
    """What every answer says; `is_ours`: what those beside the metered API say too."""
    where = f"{answer.request.method} {answer.request.url} {answer.status_code}"
    policy = answer.headers.get("content-security-policy", "")
    assert answer.headers.get("x-content-type-options") == "nosniff", where
    assert "frame-ancestors 'none'" in policy, where
    assert answer.headers.get("cache-control"), where
    assert "strict-transport-security" not in answer.headers, where  # http on this machine
    if is_ours:
        assert answer.headers.get("referrer-policy") == "same-origin", where
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "default-src 'none'" in policy, where
        assert not TRUST.search(policy), where


def assert_not_kept(answer: httpx.Response) -> None:
    assert answer.headers["cache-control"] == "no-store", answer.request.url


def test_every_mounted_route(client: httpx.Client, portal: Any) -> None:
    routes = list(mounted_routes())
    assert len(routes) > 8
    for method, path in routes:
        for headers in ({}, {"Origin": portal.url}, {"Origin": portal.url, "Accept": "text/html"}):
            answer = client.request(method, path, headers=headers)
            assert_sound(answer)
            if path != "/api/docs":
                assert_not_kept(answer)


def test_every_page_allows_its_own_scripts_and_no_others(client: httpx.Client) -> None:
    addresses = list(pages())
    assert {"/", "/overview/", "/settings/"} <= set(addresses)
    for address in addresses:
        answer = client.get(address)
        assert_sound(answer)
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        page = answer.text
        assert re.search(r"<script(?![^>]*\bsrc=)", page), address
        for script in re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL):
            assert not script or _digest(script) in policy, (address, script)


def test_page_that_has_not_changed_keeps_its_policy(client: httpx.Client) -> None:
    # a browser takes the headers of a 304 over those that it had
    first = client.get("/pricing/")
    again = client.get("/pricing/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    for name in ("content-security-policy", "cache-control", "x-content-type-options"):
        assert again.headers[name] == first.headers[name]


def test_every_file_is_kept_as_long_as_its_address_means_the_same(client: httpx.Client) -> None:
    addresses = list(files())
    assert len(addresses) > 40
    for address in addresses:
        answer = client.head(address)
        assert answer.status_code == 200, address
        assert_sound(answer)
        is_hashed = address.startswith("/assets/")
        assert answer.headers["cache-control"] == (
            IMMUTABLE if is_hashed else "public, max-age=3600"
        ), address


def test_marked_file_is_immutable_and_one_with_a_foreign_mark_is_not(client: httpx.Client) -> None:
    for path in ASSETS.iterdir():
        if path.is_file():
            answer = client.head(asset_url(path.name))
            assert answer.headers["cache-control"] == IMMUTABLE, path.name
    for address in ("/latchkey.css?v=0123456789", "/latchkey.css?x=1", "/assets/no-such.js"):
        answer = client.get(address)
        assert_sound(answer)
        assert "immutable" not in answer.headers["cache-control"], address


def test_every_route_of_the_metered_api(client: httpx.Client, portal: Any) -> None:
    asked = 0
    secret = seed_key(portal.database_url)
    for path, item in client.get("/api/openapi.json").json()["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete", "head"}:
            for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": secret}):
                answer = client.request(method.upper(), path, headers=headers)
                assert_sound(answer, is_ours=False)
                assert_not_kept(answer)
                asked += 1
    assert asked > 15
    answered = client.get("/api/v1/lists", headers={"X-API-Key": secret})
    assert answered.status_code == 200
    assert_not_kept(answered)


def seed_key(url: str) -> str:
    async def make(session: Any) -> str:
        return (await make_key(session, await make_user(session)))[1]

    return str(seed(url, make))


def test_every_route_of_the_sandbox(client: httpx.Client, portal: Any) -> None:
    for method, path in sandbox_routes():
        where = re.sub(r"\{\w+\}", "none", path)
        answer = client.request(method, where, headers={"Origin": portal.url})
        assert_sound(answer)
        assert_not_kept(answer)


def test_metrics_and_what_is_refused(client: httpx.Client, portal: Any) -> None:
    ours = {"Origin": portal.url}
    large = {**ours, "Content-Type": "application/x-www-form-urlencoded"}
    for answer in (
        client.get("/metrics"),
        client.post("/metrics"),
        client.delete("/auth/email"),
        client.request("PUT", "/overview/", headers=ours),
        client.get("/auth/no-such"),
        client.get("/dev/mail", headers={"X-Forwarded-For": "203.0.113.9"}),
        client.post("/auth/email", headers={"Origin": "https://evil.example"}),
        client.post("/auth/email", headers=large, content=b"email=" + b"a" * 70_000),
        client.post("/webhooks/stripe", content=b"x" * (1024 * 1024 + 1)),
        client.get("/_event/?EIO=4&transport=polling"),
    ):
        assert_sound(answer)
    for answer in (
        client.get("/api/v1/none"),
        client.post("/api/v1/keys/verify", content=b"{}"),
        client.delete("/api/v1/screen"),
    ):
        assert_sound(answer, is_ours=False)
        assert_not_kept(answer)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431),
    ],
)
async def test_what_is_no_request_is_refused_with_headers_too(
    portal: Any, request_bytes: bytes, status: int
) -> None:
    answer = await raw_answer(portal.url, request_bytes)
    assert answer.status_code == status
    assert_sound(answer, is_ours=False)
    assert_not_kept(answer)


async def raw_answer(url: str, request: bytes) -> httpx.Response:
    """The head of the answer to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(request)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()
    first, *lines = head.decode().strip().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(first.split()[1]), headers=headers, request=httpx.Request("GET", url))


HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("path", "version", "status"), [("/_event/", 13, 403), ("/x", 13, 403), ("/_event/", 1, 400)]
)
async def test_refused_websocket_has_headers(
    portal: Any, path: str, version: int, status: int
) -> None:
    host = portal.url.removeprefix("http://")
    handshake = HANDSHAKE.format(path=path, host=host, version=version)
    answer = await raw_answer(portal.url, handshake.encode())
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_open_websocket_has_headers(portal: Any) -> None:
    async with open_socket(portal.url, client_token="x") as socket:
        opened = socket.connection.response
        assert opened is not None
        assert opened.headers["x-content-type-options"] == "nosniff"


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("on purpose")


def headed_url(application: Any) -> Any:
    headers = server_headers(is_https=True)
    return served(Headed(application), headers=headers, ws="app.api.sockets:SocketProtocol")


async def test_failure_of_ours_has_headers_and_https_is_for_good() -> None:
    api = make_http(with_portal=False)

    async def fail() -> None:
        raise RuntimeError("on purpose")

    api.add_api_route("/fails/now", fail)
    async with headed_url(api) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/fails/now")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == PROBLEM_CONTENT_TYPE
    assert answer.headers["strict-transport-security"] == HSTS
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert_not_kept(answer)


async def test_app_that_breaks_before_it_answers_is_answered_for_with_headers() -> None:
    async with headed_url(broken) as url:
        answer = await raw_answer(url, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        handshake = HANDSHAKE.format(path="/", host="a", version=13)
        refused = await raw_answer(url, handshake.encode())
    for one in (answer, refused):
        assert one.status_code == 500
        assert one.headers["strict-transport-security"] == HSTS
        assert one.headers["x-content-type-options"] == "nosniff"


async def test_what_an_app_says_itself_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    said = {"cache-control": "max-age=5", "referrer-policy": "no-referrer"}
    for answer in (Response("a", headers=said), FileResponse(tmp_path / "a.txt", headers=said)):
        async with headed_url(answer) as url, httpx.AsyncClient() as client:
            got = await client.get(f"{url}/a.txt")
        assert {name: got.headers[name] for name in said} == said


def test_policy_has_the_digest_of_each_inline_script_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    page = "<html><script src='/a.js'></script><script>one()</script>{}</html>"
    (tmp_path / "a.html").write_text(page.format("<SCRIPT type=module>if (a < b && c) {}</SCRIPT>"))
    (tmp_path / "in" / "b.html").write_text(page.format("<p>two()</p>"))
    assert list(inline_scripts(tmp_path / "a.html")) == ["one()", "if (a < b && c) {}"]
    policy = page_policy(tmp_path)
    assert policy.count("'sha256-") == 2
    assert f"'{_digest('one()')}'" in policy
    # the digest that browsers name for this text
    assert _digest("") == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    ("url", "has_hsts"), [("https://api.example.com", True), ("http://localhost:8000", False)]
)
def test_every_process_is_told_what_to_say(
    monkeypatch: pytest.MonkeyPatch, url: str, has_hsts: bool
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("app.cli.run_server", told.append)
    cli._run_server("app:none", Settings(public_url=url, secret_key="k" * 40), 1)
    assert ("x-content-type-options", "nosniff") in told[0].headers
    assert (("strict-transport-security", HSTS) in told[0].headers) is has_hsts
