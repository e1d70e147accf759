import asyncio
from datetime import timedelta

import pytest
from sqlmodel import select, update

from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.core.errors import InvalidRequest, NotFound
from app.keys import service
from app.keys.options import KeyOptions
from app.keys.rotation import rotate_key
from app.models import ApiKeyDetail, ApiKeyMetadata
from tests.factories import make_user

OPTIONS = KeyOptions(
    label="production", lifetime=timedelta(days=30), allowed_ips=("203.0.113.0/24",)
)


async def make_owned_key(unit_of_work, options=OPTIONS):
    async with unit_of_work() as session:
        owner = (await make_user(session)).id
        key = await service.create_key(session, owner, options=options, limit=10)
    return owner, key


async def rotate(unit_of_work, owner, key_id, grace="24h"):
    async with unit_of_work() as session:
        return await rotate_key(session, owner, key_id, grace=grace)


async def read(unit_of_work, key_id):
    async with unit_of_work() as session:
        return await session.get(ApiKeyMetadata, key_id), await session.get(ApiKeyDetail, key_id)


async def status_of(unit_of_work, owner, key_id):
    async with unit_of_work() as session:
        return {key.id: key.status for key in await service.list_keys(session, owner)}[key_id]


async def test_successor_has_the_old_keys_name_tier_and_networks(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    new = await rotate(unit_of_work, owner, old.id)
    row, detail = await read(unit_of_work, new.id)
    assert row.key_hash == sha256_hex(new.secret) != sha256_hex(old.secret)
    assert (row.label, row.tier, row.status) == ("production", "free", "active")
    assert detail.allowed_ips == ["203.0.113.0/24"]
    assert detail.rotated_from_id == old.id


async def test_successor_lives_as_long_as_the_old_key_was_given(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    async with unit_of_work() as session:
        ago = DB_NOW - timedelta(days=29)
        await session.exec(update(ApiKeyMetadata).values(created_at=ago))
        await session.exec(update(ApiKeyDetail).values(expires_at=ago + timedelta(days=30)))
    new = await rotate(unit_of_work, owner, old.id)
    row, detail = await read(unit_of_work, new.id)
    assert detail.expires_at - row.created_at == timedelta(days=30)


async def test_key_without_expiry_has_a_successor_without_one(unit_of_work):
    owner, old = await make_owned_key(unit_of_work, KeyOptions(label="x"))
    new = await rotate(unit_of_work, owner, old.id)
    assert (await read(unit_of_work, new.id))[1].expires_at is None


async def test_old_key_works_until_the_grace_ends(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    await rotate(unit_of_work, owner, old.id, "1h")
    async with unit_of_work() as session:
        left = select(ApiKeyDetail.grace_ends_at - DB_NOW).where(ApiKeyDetail.key_id == old.id)
        assert timedelta(minutes=59) < (await session.exec(left)).one() <= timedelta(hours=1)
    assert await status_of(unit_of_work, owner, old.id) == "active"
    async with unit_of_work() as session:
        await session.exec(update(ApiKeyDetail).values(grace_ends_at=DB_NOW))
    assert await status_of(unit_of_work, owner, old.id) == "expired"


async def test_grace_of_now_revokes_the_old_key(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    await rotate(unit_of_work, owner, old.id, "now")
    assert await status_of(unit_of_work, owner, old.id) == "revoked"


async def test_rotating_twice_at_once_makes_one_successor(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    results = await asyncio.gather(
        *(rotate(unit_of_work, owner, old.id) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, service.NewKey) for result in results) == 1
    assert sum(isinstance(result, NotFound) for result in results) == 7


async def test_replaced_key_takes_no_place_of_the_plans(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    await rotate(unit_of_work, owner, old.id)
    async with unit_of_work() as session:
        assert await service.create_key(session, owner, options=OPTIONS, limit=2)


async def test_stranger_cannot_rotate(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    stranger, _ = await make_owned_key(unit_of_work)
    with pytest.raises(NotFound):
        await rotate(unit_of_work, stranger, old.id)
    assert await status_of(unit_of_work, owner, old.id) == "active"


async def test_revoked_key_cannot_be_rotated(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    async with unit_of_work() as session:
        await service.revoke_key(session, owner, old.id)
    with pytest.raises(NotFound):
        await rotate(unit_of_work, owner, old.id)


async def test_unknown_grace_is_refused(unit_of_work):
    owner, old = await make_owned_key(unit_of_work)
    with pytest.raises(InvalidRequest):
        await rotate(unit_of_work, owner, old.id, "a year")
