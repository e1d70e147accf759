"""Identities of an account: who may take one away, and when."""

import asyncio

import pytest
from sqlalchemy import text

from app.accounts.identities import (
    IdentityTaken,
    LastWayIn,
    connect,
    disconnect,
    list_identities,
)
from app.core.errors import NotFound
from app.integrations.oauth import Identity
from tests.conftest import UnitOfWork
from tests.factories import make_identity, make_user


def identity(subject: str = "1", *, email: str = "x@example.com", verified: bool = False):
    return Identity("oauth", "github", subject, email, verified, None)


async def test_identities_are_listed_to_their_owner_alone(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner, stranger = await make_user(session), await make_user(session)
        second = await make_identity(session, owner, provider="google")
        first = await make_identity(session, owner)
        found = await list_identities(session, owner.id)
        assert [(one.id, one.provider) for one in found] == [
            (first.id, "github"),
            (second.id, "google"),
        ]
        assert await list_identities(session, stranger.id) == []


async def test_stranger_cannot_disconnect(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner, stranger = await make_user(session), await make_user(session)
        row = await make_identity(session, owner)
        await make_identity(session, stranger)
        for someone, wanted in ((stranger, row.id), (owner, "unknown")):
            with pytest.raises(NotFound):
                await disconnect(session, someone.id, wanted)
        assert len(await list_identities(session, owner.id)) == 1


async def test_mailed_links_are_a_way_in_once_the_address_is_verified(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        row = await make_identity(session, owner)
        await disconnect(session, owner.id, row.id)
        assert await list_identities(session, owner.id) == []


async def test_last_way_in_stays(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session, email_verified=None)
        row = await make_identity(session, owner)
        with pytest.raises(LastWayIn):
            await disconnect(session, owner.id, row.id)
        await make_identity(session, owner, provider="google")
        await disconnect(session, owner.id, row.id)
        assert [one.provider for one in await list_identities(session, owner.id)] == ["google"]


async def test_two_tabs_cannot_take_both_of_the_last_two(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session, email_verified=None)
        rows = [await make_identity(session, owner, provider=name) for name in ("a", "b")]

    async def take_second() -> None:
        async with unit_of_work() as session:
            await disconnect(session, owner.id, rows[1].id)

    async with unit_of_work() as session:
        await disconnect(session, owner.id, rows[0].id)
        second = asyncio.create_task(take_second())
        while not (second.done() or await is_anyone_waiting(unit_of_work)):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.01)
    with pytest.raises(LastWayIn):
        await second


async def is_anyone_waiting(unit_of_work: UnitOfWork) -> bool:
    """Whether a transaction waits for another's row."""
    waiting = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    async with unit_of_work() as session:
        return bool((await session.exec(waiting)).scalar_one())  # type: ignore[call-overload]


async def test_identity_of_somebody_else_cannot_be_connected(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner, other = await make_user(session), await make_user(session)
        await connect(session, owner.id, identity())
        await connect(session, owner.id, identity())
        with pytest.raises(IdentityTaken):
            await connect(session, other.id, identity())
        assert len(await list_identities(session, owner.id)) == 1


@pytest.mark.parametrize(
    ("email", "verified", "counts"),
    [
        ("ADA@example.com", True, True),
        ("ada@example.com", False, False),
        ("b@example.com", True, False),
    ],
)
async def test_address_counts_as_verified_if_the_provider_vouches_for_that_very_one(
    unit_of_work: UnitOfWork, email: str, verified: bool, counts: bool
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session, email="ada@example.com", email_verified=None)
        await connect(session, owner.id, identity(email=email, verified=verified))
        await session.refresh(owner)
        assert (owner.email_verified is not None) is counts
