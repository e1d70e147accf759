"""Every event handler, called over a real websocket by everyone who must not."""

import asyncio
import inspect
import json
import secrets

import psycopg
import pytest
import websockets
from psycopg import sql
from reflex_base.registry import RegistrationContext

import app.app
from app.core import database
from app.models import Record, User
from app.ui.build import build_frontend
from app.ui.guard import access_of
from app.ui.state import UNEXPECTED
from tests.conftest import TEMPLATE, new_database
from tests.factories import make_session
from tests.portal import running_portal
from tests.sockets import HYDRATE, open_socket
from tests.ui.customers import make_person

assert app.app.app  # importing it registers every state class
HANDLERS = RegistrationContext.get().event_handlers
STATE = "reflex___state____state.app___ui___state____portal_state"
LOAD_KEYS = f"{STATE}.app___ui___pages___keys_state____keys_state.load"
LOAD_LOGS = f"{STATE}.app___ui___pages___logs____logs_state.load"
SETTINGS = f"{STATE}.app___ui___pages___settings_state____settings_state"
CREATE_KEY = f"{STATE}.app___ui___pages___keys_state____keys_state.create_key"
TRIAL = f"{STATE}.app___ui___pages___trial_state____trial_state"
LOAD_TRIAL, CREATE_TRIAL_KEY = f"{TRIAL}.enter", f"{TRIAL}.create_key"
GARBAGE = [None, 7, -1, 1e308, True, [], ["x"], {}, {"a": {"b": 1}}, "", "\x00", "x" * 10_000]
JOBS = "latchkey.procrastinate_jobs"
TABLES = [*Record.metadata.tables, JOBS]
MAY_CHANGE = {"Session": ["expires"], "latchkey.SessionDetail": ["lastSeenAt"]}
"""Columns that the mere look-up of a live session writes: being seen prolongs it."""
OF_THE_CLOCK = '"args": {"timestamp": '
"""In the jobs that the portal's own worker makes by the clock, whoever calls what."""
SEES_LOG = "latchkey.UserDetail"
"""Where loading the log notes, for its owner, that it was seen."""


@pytest.fixture(scope="module")
def portal(postgres, tmp_path_factory):
    build_frontend()
    folder = tmp_path_factory.mktemp("portal")
    # a state manager that keeps states in files makes this folder as it starts
    states = folder / "states"
    with (
        new_database(postgres, TEMPLATE) as url,
        running_portal(folder, DATABASE_URL=url, REFLEX_STATES_WORKDIR=str(states)) as running,
    ):
        running.database_url, running.states = url, states
        yield running


@pytest.fixture
async def people(portal):
    database.point_at(portal.database_url)
    yield await make_person(), await make_person()
    await database.dispose()
    database.point_at(None)


def snapshot(url, *, of=None):
    """Every row of every table; with `of`, those that name the person or what is theirs."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT latchkey.fold_usage()")  # as whoever reads the usage does
        rows = {table: rows_of(connection, table) for table in TABLES}
    if of is not None:
        for table, found in rows.items():
            rows[table] = [row for row in found if any(value in row for value in of.ids)]
    return rows


def rows_of(connection, table):
    name = sql.Identifier(*table.split("."))
    statement = sql.SQL("SELECT (to_jsonb(t) - %s::text[])::text FROM {} t ORDER BY 1").format(name)
    found = connection.execute(statement, [MAY_CHANGE.get(table, [])])
    return [row[0] for row in found if OF_THE_CLOCK not in row[0]]


AIMED = object()


def arguments(name, victim, value=AIMED):
    """A payload for the handler that aims at the victim, or `value` for every argument."""
    parameters = list(inspect.signature(HANDLERS[name].handler.fn).parameters)[1:]
    aimed = {
        "form": {
            "label": "stolen",
            "confirm": victim.label,
            "name": "Stolen",
            "tier_id": "standard",
            "interval": "month",
        },
        "message": "hello",
        "is_open": True,
        "now": "",
        "tier_id": "standard",
        "interval": "month",
        "value": victim.key_id,
        "session_id": victim.session_id,
        "hashes": [],
    }
    if value is not AIMED:
        return dict.fromkeys(parameters, value)
    return {parameter: aimed.get(parameter, victim.key_id) for parameter in parameters}


def assert_reads_nothing_of(victim, heard):
    leaked = [value for value in victim.secrets if value in heard]
    assert not leaked, f"{leaked} came back: {heard[:2000]}"


async def call_every_handler(socket, victim, value=AIMED):
    # on the page of the victim's trial, which those that begin a page take note of
    path = victim.trial_path if value is AIMED else "/keys"
    for name in sorted(HANDLERS, key=lambda name: not name.endswith(".enter")):
        sent = arguments(name, victim, value)
        answer = await socket.call(name, sent, path)
        # what the caller itself sent may come back to the caller
        yield name, answer.replace(json.dumps(victim.key_id), '""') if victim else answer


async def test_owner_reads_what_the_others_must_not(portal, people):
    # the control: without it, an empty answer would prove nothing
    owner, _ = people
    async with open_socket(portal.url, client_token="t1", cookie=owner.cookie) as socket:
        keys = await socket.call(LOAD_KEYS)
        logs = await socket.call(LOAD_LOGS)
        trial = await socket.call(LOAD_TRIAL, path=owner.trial_path)
    assert owner.trial_key_start in trial
    assert owner.label in keys
    assert owner.key_start in keys
    assert owner.call_id in logs


@pytest.mark.parametrize(
    "who", ["signed out", "forged token", "revoked before", "another customer"]
)
async def test_no_handler_reads_or_changes_anything_for(portal, people, who):
    victim, stranger = people
    cookie = {
        "signed out": None,
        "forged token": f"latchkey_session={secrets.token_urlsafe(32)}",
        "revoked before": victim.cookie,
        "another customer": stranger.cookie,
    }[who]
    if who == "revoked before":
        end_session(portal, victim)
    of = victim if who == "another customer" else None
    before = snapshot(portal.database_url, of=of)
    async with open_socket(portal.url, client_token=secrets.token_hex(8), cookie=cookie) as socket:
        async for name, answer in call_every_handler(socket, victim):
            assert_reads_nothing_of(victim, answer)
            if who != "another customer" and access_of(name) == "signed_in":
                assert '"_redirect"' in answer, f"{name} ran for somebody {who}"
    assert snapshot(portal.database_url, of=of) == before


async def test_no_handler_works_on_a_socket_whose_session_was_revoked_meanwhile(portal, people):
    victim, _ = people
    async with open_socket(portal.url, client_token="open", cookie=victim.cookie) as socket:
        assert victim.label in await socket.call(LOAD_KEYS)
        end_session(portal, victim)
        before = snapshot(portal.database_url)
        async for _, answer in call_every_handler(socket, victim):
            assert_reads_nothing_of(victim, answer)
        assert snapshot(portal.database_url) == before


async def test_session_that_its_person_ends_elsewhere_stops_on_its_open_socket(portal, people):
    owner, _ = people
    async with database.unit_of_work() as session:
        user = await session.get_one(User, owner.user_id)
        row, token = await make_session(session, user)
    cookie = f"latchkey_session={token}"
    async with (
        open_socket(portal.url, client_token="here", cookie=owner.cookie) as here,
        open_socket(portal.url, client_token="there", cookie=cookie) as there,
    ):
        assert owner.label in await there.call(LOAD_KEYS)
        assert row.id in await here.call(f"{SETTINGS}.load")
        await here.call(f"{SETTINGS}.end_session", {"session_id": row.id})
        answer = await there.call(LOAD_KEYS)
        assert_reads_nothing_of(owner, answer)
        assert '"_redirect"' in answer
        assert owner.label in await here.call(LOAD_KEYS)


@pytest.mark.parametrize("thief", ["signed out", "another customer"])
async def test_stolen_client_token_leads_to_an_empty_state(portal, people, thief):
    victim, stranger = people
    cookie = stranger.cookie if thief == "another customer" else None
    token = secrets.token_hex(8)
    async with open_socket(portal.url, client_token=token, cookie=victim.cookie) as own:
        assert victim.label in await own.call(LOAD_KEYS)
        async with open_socket(portal.url, client_token=token, cookie=cookie) as stolen:
            assert_reads_nothing_of(victim, await stolen.call(HYDRATE))
    # nor once the victim has gone
    async with open_socket(portal.url, client_token=token, cookie=cookie) as stolen:
        assert_reads_nothing_of(victim, await stolen.call(HYDRATE))


async def test_own_state_survives_a_reconnect(portal, people):
    # the other control: the derived key still finds the owner's own state
    owner, _ = people
    token = secrets.token_hex(8)
    async with open_socket(portal.url, client_token=token, cookie=owner.cookie) as socket:
        await socket.call(LOAD_KEYS)
    async with open_socket(portal.url, client_token=token, cookie=owner.cookie) as socket:
        assert owner.label in await socket.call(HYDRATE)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://localhost"])
async def test_socket_from_elsewhere_is_refused(portal, people, origin):
    owner, _ = people
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_socket(portal.url, client_token="x", cookie=owner.cookie, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_digest_sent_by_the_client_is_ignored(portal, people):
    victim, _ = people
    with psycopg.connect(portal.database_url) as connection:
        found = connection.execute(
            'SELECT "sessionToken" FROM "Session" WHERE id = %s', [victim.session_id]
        )
        digest = found.fetchone()[0]
    for cookie in (f"session-digest={digest}", f"latchkey_session={digest}"):
        async with open_socket(portal.url, client_token="d", cookie=cookie) as socket:
            answer = await socket.call(LOAD_KEYS)
        assert_reads_nothing_of(victim, answer)
        assert '"_redirect"' in answer


async def test_session_cookie_never_comes_back(portal, people):
    owner, _ = people
    async with open_socket(portal.url, client_token="c", cookie=owner.cookie) as socket:
        await socket.call(HYDRATE)
        await socket.call(LOAD_KEYS)
        assert owner.cookie.partition("=")[2] not in socket.heard


@pytest.mark.parametrize("name", sorted(name for name in HANDLERS if access_of(name) is None))
async def test_undeclared_handler_does_nothing_even_for_its_owner(portal, people, name):
    owner, _ = people
    async with open_socket(portal.url, client_token="u", cookie=owner.cookie) as socket:
        sent = {
            "var_name": "email",
            "value": "set-by-anyone",
            "vars": {},
            "info": "",
            "component_stack": "",
        }
        wanted = inspect.signature(HANDLERS[name].handler.fn).parameters
        answer = await socket.call(name, {key: sent[key] for key in wanted if key in sent})
        # what the handler queued itself comes behind the first mark
        answer += await socket.call(LOAD_KEYS)
    assert "set-by-anyone" not in answer
    assert UNEXPECTED not in answer


@pytest.mark.parametrize(
    ("create", "prefix"), [(CREATE_KEY, "lk_live_"), (CREATE_TRIAL_KEY, "lk_trial_")]
)
async def test_new_key_goes_to_its_maker_once_and_is_in_no_state(portal, people, create, prefix):
    owner, _ = people
    token = secrets.token_hex(8)
    async with open_socket(portal.url, client_token=token, cookie=owner.cookie) as socket:
        await socket.call(LOAD_TRIAL, path=owner.trial_path)
        answer = await socket.call(create, {"form": {"label": "mine"}})
        start = answer.index(prefix, answer.index("new_key_rx_state_"))
        key = answer[start : start + len(prefix) + 38]
        assert "new_key" in answer
        assert key not in await socket.call(HYDRATE)
    async with open_socket(portal.url, client_token=token, cookie=owner.cookie) as socket:
        assert key not in await socket.call(HYDRATE)
    assert key not in json.dumps(snapshot(portal.database_url))
    assert key not in portal.log.read_text()
    assert not portal.states.exists()


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value)[:20])
async def test_arguments_of_any_kind_change_nothing_and_break_nothing(portal, people, value):
    owner, _ = people
    before = snapshot(portal.database_url)
    async with open_socket(
        portal.url, client_token=secrets.token_hex(8), cookie=owner.cookie
    ) as socket:
        async for _ in call_every_handler(socket, owner, value):
            pass
        assert owner.label in await socket.call(LOAD_KEYS)
    after = snapshot(portal.database_url)
    after[SEES_LOG] = before[SEES_LOG]
    assert after == before


@pytest.mark.parametrize("packet", ["4599999999-/_event,[]", "461-/_event,1[]", b"\x00" * 100])
async def test_binary_packets_close_the_socket(portal, people, packet):
    async with open_socket(portal.url, client_token="b") as socket:
        await socket.connection.send(packet)
        await asyncio.wait_for(socket.connection.wait_closed(), 5)


async def test_event_that_cannot_be_handled_is_answered_once(portal, people):
    # its request data fails before any handler; an event as the answer would fail for ever
    async with open_socket(portal.url, client_token="loop") as socket:
        before = portal.log.read_text().count("An event handler failed")
        body = {
            "name": HYDRATE,
            "payload": {},
            "router_data": {"pathname": "/keys", "asPath": ["a"]},
        }
        await socket.connection.send(f"42/_event,{json.dumps(['event', body])}")
        for _ in range(20):
            await socket.call(HYDRATE)
    assert portal.log.read_text().count("An event handler failed") - before <= 2


async def send_endless_head(portal):
    """Send header lines until the server closes; how many of 10 kB it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(portal.url.rpartition(":")[2]))
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    for lines in range(1000):
        if reader.at_eof():
            return lines
        try:
            writer.write(b"a: " + b"b" * 10_000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
        except ConnectionError:
            return lines
    return None


async def test_head_that_never_ends_is_cut_off(portal):
    assert await send_endless_head(portal) is not None


def end_session(portal, person):
    with psycopg.connect(portal.database_url) as connection:
        connection.execute('DELETE FROM "Session" WHERE id = %s', [person.session_id])
