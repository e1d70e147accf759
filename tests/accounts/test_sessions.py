from datetime import timedelta

from sqlmodel import select, update

from app.accounts import sessions
from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.models import Session, SessionDetail
from tests.factories import make_user


async def start(unit_of_work):
    async with unit_of_work() as session:
        user = await make_user(session)
        return await sessions.start_session(
            session, user.id, user_agent="Firefox", ip_address="127.0.0.1"
        )


async def find(unit_of_work, token):
    async with unit_of_work() as session:
        return await sessions.find_session(session, sha256_hex(token))


async def shift(unit_of_work, *, expires=None, created=None, seen=None):
    async with unit_of_work() as session:
        if expires is not None:
            await session.exec(update(Session).values(expires=DB_NOW + expires))
        if created is not None:
            await session.exec(update(SessionDetail).values(created_at=DB_NOW + created))
        if seen is not None:
            await session.exec(update(SessionDetail).values(last_seen_at=DB_NOW + seen))


async def left(unit_of_work):
    async with unit_of_work() as session:
        return (await session.exec(select(Session.expires - DB_NOW))).one()


async def test_live_session_names_its_person(unit_of_work):
    token = await start(unit_of_work)
    caller = await find(unit_of_work, token)
    assert caller.is_verified
    assert "@" in caller.email


async def test_token_itself_is_not_in_the_table(unit_of_work):
    token = await start(unit_of_work)
    async with unit_of_work() as session:
        row = (await session.exec(select(Session))).one()
    assert row.session_token == sha256_hex(token)


async def test_raw_token_stored_by_another_program_is_no_way_in(unit_of_work):
    token = await start(unit_of_work)
    async with unit_of_work() as session:
        await session.exec(update(Session).values(session_token="raw-token"))
    assert await find(unit_of_work, "raw-token") is None
    assert await find(unit_of_work, token) is None


async def test_expired_session_is_dead(unit_of_work):
    token = await start(unit_of_work)
    await shift(unit_of_work, expires=timedelta(0))
    assert await find(unit_of_work, token) is None


async def test_session_ends_after_seven_idle_days(unit_of_work):
    await start(unit_of_work)
    assert timedelta(days=6, hours=23) < await left(unit_of_work) <= timedelta(days=7)


async def test_being_seen_prolongs_the_idle_time(unit_of_work):
    token = await start(unit_of_work)
    await shift(unit_of_work, expires=timedelta(days=1), seen=timedelta(days=-6))
    assert await find(unit_of_work, token)
    assert await left(unit_of_work) > timedelta(days=6)


async def test_being_seen_never_prolongs_past_thirty_days(unit_of_work):
    token = await start(unit_of_work)
    await shift(
        unit_of_work,
        expires=timedelta(hours=3),
        created=timedelta(days=-29),
        seen=timedelta(days=-1),
    )
    assert await find(unit_of_work, token)
    assert timedelta(hours=23) < await left(unit_of_work) <= timedelta(days=1)


async def test_being_seen_again_at_once_writes_nothing(unit_of_work):
    token = await start(unit_of_work)
    await shift(unit_of_work, expires=timedelta(days=1))
    assert await find(unit_of_work, token)
    assert await left(unit_of_work) <= timedelta(days=1)


async def test_ended_session_is_dead(unit_of_work):
    token = await start(unit_of_work)
    async with unit_of_work() as session:
        await sessions.end_session(session, sha256_hex(token))
    assert await find(unit_of_work, token) is None


async def test_only_expired_sessions_are_deleted(unit_of_work):
    kept = await start(unit_of_work)
    async with unit_of_work() as session:
        await sessions.delete_expired(session)
    assert await find(unit_of_work, kept)
    await shift(unit_of_work, expires=timedelta(seconds=-1))
    async with unit_of_work() as session:
        await sessions.delete_expired(session)
        assert (await session.exec(select(Session))).all() == []
