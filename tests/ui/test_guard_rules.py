"""Every event handler says who may call it, or the run fails."""

from urllib.parse import parse_qs

import pytest
from reflex_base.registry import RegistrationContext

import app.app
from app.core.crypto import sha256_hex
from app.core.settings import Settings
from app.ui.guard import FRAMEWORK_EVENTS, NotSignedIn, SocketGuard, access_of, require_caller
from tests.factories import make_session, make_user

assert app.app.app  # importing it registers every state class
REGISTRY = RegistrationContext.get().event_handlers
OURS = sorted(name for name in REGISTRY if "app___" in name and not name.endswith(".setvar"))


def test_the_registry_holds_our_handlers():
    assert len(OURS) > 10


@pytest.mark.parametrize("name", OURS)
def test_handler_declares_who_may_call_it(name):
    assert access_of(name) in {"public", "signed_in"}, (
        f"{name} declares neither @public nor @signed_in (app/ui/guard.py)"
    )


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - set(OURS) - FRAMEWORK_EVENTS))
def test_framework_handler_that_no_page_needs_is_closed(name):
    assert access_of(name) is None


def test_every_framework_event_we_let_through_exists():
    assert set(REGISTRY) >= FRAMEWORK_EVENTS


def test_unknown_event_is_closed():
    assert access_of("reflex___state____state.no_such_event") is None


def test_caller_is_required_where_there_is_none():
    with pytest.raises(NotSignedIn):
        require_caller()


async def scope_behind_the_guard(*headers):
    """What Reflex is given of a handshake that carries these headers and the token `T`."""
    seen = {}

    async def reflex(scope, receive, send):
        seen.update(scope)

    settings = Settings(public_url="http://localhost:8000")
    guard = SocketGuard(reflex, settings, cookie_name="latchkey_session")
    origin = (b"origin", b"http://localhost:8000")
    query = b"token=T&EIO=4"
    scope = {"type": "websocket", "headers": [origin, *headers], "query_string": query}
    await guard(scope, None, None)
    return seen


async def test_nothing_of_the_cookies_but_the_digest_of_a_live_session_gets_through(unit_of_work):
    async with unit_of_work() as session:
        _, token = await make_session(session, await make_user(session))
    cookies = [
        (b"cookie", f"theme=dark; latchkey_session={token}".encode()),
        (b"cookie", b"session-digest=forged"),
    ]
    scope = await scope_behind_the_guard(*cookies)
    kept = [value.decode() for name, value in scope["headers"] if name == b"cookie"]
    assert kept == [f"session-digest={sha256_hex(token)}"]


async def test_dead_session_leaves_no_digest(unit_of_work):
    scope = await scope_behind_the_guard((b"cookie", b"latchkey_session=dead"))
    assert (b"cookie", b"session-digest=") in scope["headers"]


async def test_client_token_is_never_the_states_key(unit_of_work):
    async with unit_of_work() as session:
        _, token = await make_session(session, await make_user(session))
    own = await scope_behind_the_guard((b"cookie", f"latchkey_session={token}".encode()))
    strange = await scope_behind_the_guard()
    keys = [parse_qs(scope["query_string"].decode())["token"][0] for scope in (own, strange)]
    assert keys[0] != keys[1]
    assert "T" not in keys
