"""The log of calls, read back: whole, in order, and only by its owner."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from sqlmodel import delete, text

from app.core import database
from app.core.clock import utc_now
from app.models import ApiKeyMetadata, User
from app.usage.calls import Cursor, count_recent_calls, list_calls, summarise_day
from app.usage.repository import track_call
from tests.factories import make_call, make_key, make_user
from tests.statements import counted_statements

MOST_PAGES = 20
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def customer(unit_of_work):
    """A customer's id, and their key."""
    async with unit_of_work() as session:
        user = await make_user(session)
        key, _ = await make_key(session, user, label="production")
    return user.id, key


async def pages(unit_of_work, user_id, size):
    """All pages of the log, read one by one by their cursors."""
    found, before = [], None
    for _ in range(MOST_PAGES):
        async with unit_of_work() as session:
            page = await list_calls(session, user_id, before=before, limit=size)
        if not page:
            return found
        found.append([call.id for call in page])
        before = Cursor(page[-1].created_at, page[-1].id)
    raise AssertionError("the pages do not come to an end")


async def test_call_is_shown_with_its_key(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        call = await make_call(
            session, key, created_at=NOON, status_code=422, latency_ms=7, units=0
        )
    async with unit_of_work() as session:
        [shown] = await list_calls(session, user_id)
    assert (shown.id, shown.created_at) == (call.id, NOON)
    assert (shown.method, shown.endpoint) == ("POST", "/api/v1/screen")
    assert (shown.status_code, shown.latency_ms, shown.units) == (422, 7, 0)
    assert shown.key_label == "production"
    assert shown.key_start.startswith("lk_live_")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
async def test_paging_loses_and_doubles_nothing_in_any_time_zone(
    unit_of_work, customer, database_url, zone
):
    user_id, key = customer
    user = User(id=user_id)
    moments = [NOON + timedelta(milliseconds=at) for at in (0, 0, 0, 1, 1, 2, 2, 2, 2, 900, 900)]
    async with unit_of_work() as session:
        keys = [key, (await make_key(session, user))[0]]
        for place, moment in enumerate(moments):
            await make_call(session, keys[place % 2], created_at=moment)
        name = database_url.rpartition("/")[2].partition("?")[0]
        await session.exec(text(f"ALTER DATABASE {name} SET timezone = '{zone}'"))
    await database.dispose()
    [whole] = await pages(unit_of_work, user_id, 50)
    assert len(set(whole)) == len(moments)
    for size in (1, 2, 3, 10, 11):
        read = await pages(unit_of_work, user_id, size)
        assert [call for page in read for call in page] == whole
        assert all(len(page) == size for page in read[:-1])


@given_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    calls=st.lists(
        st.tuples(
            st.integers(0, 3), st.text("aAzZ09-~é", min_size=1, max_size=3), st.integers(0, 2)
        ),
        unique_by=lambda call: call[1],
        max_size=12,
    ),
    size=st.integers(1, 5),
)
async def test_paging_by_whatever_ids_other_programs_make(unit_of_work, customer, calls, size):
    user_id, _ = customer
    async with unit_of_work() as session:
        await session.exec(delete(ApiKeyMetadata))
        keys = [(await make_key(session, User(id=user_id)))[0] for _ in range(3)]
        for milliseconds, call_id, key in calls:
            moment = NOON + timedelta(milliseconds=milliseconds)
            await make_call(session, keys[key], id=call_id, created_at=moment)
    newest_first = sorted(calls, key=lambda call: (call[0], call[1].encode()), reverse=True)
    read = await pages(unit_of_work, user_id, size)
    assert [call for page in read for call in page] == [call_id for _, call_id, _ in newest_first]


async def test_call_that_comes_while_someone_pages_moves_nothing(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        old = [await make_call(session, key, created_at=NOON + timedelta(n)) for n in range(4)]
        first = await list_calls(session, user_id, limit=2)
        await make_call(session, key, created_at=NOON + timedelta(9))
        cursor = Cursor(first[-1].created_at, first[-1].id)
        second = await list_calls(session, user_id, before=cursor, limit=2)
    assert [call.id for call in (*first, *second)] == [call.id for call in reversed(old)]


async def test_stranger_sees_nothing(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        call = await make_call(session, key)
        stranger = await make_user(session)
        await make_key(session, stranger)
        for someone in (stranger.id, "", "nobody"):
            assert await list_calls(session, someone) == []
            after = Cursor(call.created_at + timedelta(days=1), "~")
            assert await list_calls(session, someone, before=after) == []
            assert (await summarise_day(session, someone)).calls == 0
            assert await count_recent_calls(session, someone, key.id) == 0
        assert await count_recent_calls(session, user_id, key.id) == 1


async def test_rows_of_other_programs_appear(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        for call_id in ("tz4a98xxat96iws9zmbrgj3a", "1"):
            await track_call(session, key.id, id=call_id, endpoint="/other", method="GET",
                             status_code=200, latency_ms=3)  # fmt: skip
    async with unit_of_work() as session:
        shown = await list_calls(session, user_id)
        assert {call.id for call in shown} == {"tz4a98xxat96iws9zmbrgj3a", "1"}
        assert {call.units for call in shown} == {0}
        assert (await summarise_day(session, user_id)).calls == 2


async def test_call_of_a_key_without_detail_appears(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        await session.exec(text('DELETE FROM latchkey."ApiKeyDetail"'))
        await make_call(session, key)
        [shown] = await list_calls(session, user_id)
    assert (shown.key_label, shown.key_start) == ("production", None)


async def test_calls_of_revoked_keys_stay_in_the_log(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        await make_call(session, key)
        key.status = "revoked"
        session.add(key)
    async with unit_of_work() as session:
        assert len(await list_calls(session, user_id)) == 1


async def test_day_counts_what_was_answered_well_and_the_slowest_twentieth(unit_of_work, customer):
    user_id, key = customer
    statuses = [200] * 16 + [301, 404, 429, 500]
    async with unit_of_work() as session:
        for place, status in enumerate(statuses, 1):
            await make_call(session, key, status_code=status, latency_ms=place)
        yesterday = utc_now() - timedelta(days=1, minutes=1)
        await make_call(session, key, latency_ms=9999, created_at=yesterday)
    async with unit_of_work() as session:
        day = await summarise_day(session, user_id)
        assert (day.calls, day.succeeded, day.p95_ms) == (20, 17, 19)
        assert await count_recent_calls(session, user_id, key.id) == 20


async def test_day_without_calls_has_no_latency(unit_of_work, customer):
    async with unit_of_work() as session:
        day = await summarise_day(session, customer[0])
    assert (day.calls, day.succeeded, day.p95_ms) == (0, 0, None)


async def test_each_question_is_one_statement(unit_of_work, customer):
    user_id, key = customer
    async with unit_of_work() as session:
        for _ in range(3):
            await make_call(session, key)
    for ask in (
        lambda session: list_calls(session, user_id),
        lambda session: list_calls(session, user_id, before=Cursor(NOON, "x")),
        lambda session: summarise_day(session, user_id),
        lambda session: count_recent_calls(session, user_id, key.id),
    ):
        async with unit_of_work() as session:
            with counted_statements() as statements:
                await ask(session)
        assert len(statements) == 1
