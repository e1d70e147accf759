"""The sessions of a person, seen and ended by them alone."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from app.accounts import sessions
from app.core.clock import DB_NOW, utc_now
from app.models import Session, SessionDetail, User
from tests.conftest import UnitOfWork
from tests.factories import make_session, make_user
from tests.statements import counted_statements

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


async def start(unit_of_work: UnitOfWork, user: User, *, seen_hours_ago: int = 0) -> str:
    """A session of the user, by its id."""
    async with unit_of_work() as session:
        row, _ = await make_session(session, user)
        await session.exec(
            update(SessionDetail)
            .where(col(SessionDetail.session_id) == row.id)
            .values(last_seen_at=DB_NOW - timedelta(hours=seen_hours_ago))
        )
        return row.id


async def live(unit_of_work: UnitOfWork) -> set[str]:
    async with unit_of_work() as session:
        return set((await session.exec(select(Session.id))).all())


@pytest.fixture
async def ada(unit_of_work: UnitOfWork) -> User:
    async with unit_of_work() as session:
        return await make_user(session)


@pytest.fixture
async def strangers(unit_of_work: UnitOfWork) -> str:
    """The session of somebody else, by its id."""
    async with unit_of_work() as session:
        user = await make_user(session)
    return await start(unit_of_work, user)


async def listed(unit_of_work: UnitOfWork, user: User, current_id: str) -> Any:
    async with unit_of_work() as session:
        return await sessions.list_sessions(session, user.id, current_id=current_id)


async def test_asking_session_is_first_and_marked_then_the_last_seen(
    unit_of_work: UnitOfWork, ada: User, strangers: str
) -> None:
    long_ago = await start(unit_of_work, ada, seen_hours_ago=30)
    current = await start(unit_of_work, ada, seen_hours_ago=20)
    lately = await start(unit_of_work, ada, seen_hours_ago=1)
    found = await listed(unit_of_work, ada, current)
    assert [one.id for one in found] == [current, lately, long_ago]
    assert [one.is_current for one in found] == [True, False, False]


async def test_session_has_its_device_address_and_times(
    unit_of_work: UnitOfWork, ada: User
) -> None:
    async with unit_of_work() as session:
        await sessions.start_session(session, ada.id, user_agent=FIREFOX, ip_address="203.0.113.7")
    [one] = await listed(unit_of_work, ada, "another")
    assert (one.device, one.ip_address) == ("Firefox on Linux", "203.0.113.7")
    assert utc_now() - one.created_at < timedelta(minutes=1)
    assert one.last_seen_at == one.created_at


async def test_ended_by_time_is_not_listed(unit_of_work: UnitOfWork, ada: User) -> None:
    await start(unit_of_work, ada)
    async with unit_of_work() as session:
        await session.exec(update(Session).values(expires=DB_NOW))
    assert await listed(unit_of_work, ada, "another") == []


async def test_any_number_of_sessions_takes_one_statement(
    unit_of_work: UnitOfWork, ada: User
) -> None:
    for _ in range(3):
        await start(unit_of_work, ada)
    async with unit_of_work() as session:
        with counted_statements() as seen:
            assert len(await sessions.list_sessions(session, ada.id, current_id="another")) == 3
    assert len(seen) == 1


async def test_own_session_is_ended_and_twice_is_no_error(
    unit_of_work: UnitOfWork, ada: User, strangers: str
) -> None:
    kept, ended = await start(unit_of_work, ada), await start(unit_of_work, ada)
    for _ in range(2):
        async with unit_of_work() as session:
            await sessions.end_own_session(session, ada.id, ended)
    assert await live(unit_of_work) == {kept, strangers}


async def test_session_of_somebody_else_is_not_ended(
    unit_of_work: UnitOfWork, ada: User, strangers: str
) -> None:
    async with unit_of_work() as session:
        await sessions.end_own_session(session, ada.id, strangers)
    assert await live(unit_of_work) == {strangers}


async def test_all_others_end_but_this_one_and_other_peoples(
    unit_of_work: UnitOfWork, ada: User, strangers: str
) -> None:
    kept = await start(unit_of_work, ada)
    for _ in range(2):
        await start(unit_of_work, ada)
    async with unit_of_work() as session:
        assert await sessions.end_other_sessions(session, ada.id, kept_id=kept) == 2
    assert await live(unit_of_work) == {kept, strangers}


async def test_all_end_but_other_peoples(
    unit_of_work: UnitOfWork, ada: User, strangers: str
) -> None:
    for _ in range(2):
        await start(unit_of_work, ada)
    async with unit_of_work() as session:
        await sessions.end_all_sessions(session, ada.id)
    assert await live(unit_of_work) == {strangers}
