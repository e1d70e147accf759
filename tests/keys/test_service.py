import asyncio

import pytest

from app.core.crypto import sha256_hex
from app.core.errors import NotFound
from app.keys import service
from app.keys.options import KeyOptions
from app.keys.service import AddressNotVerified, KeyLimitReached
from app.models import ApiKeyMetadata
from tests.factories import make_key, make_user


async def make_owner(unit_of_work, **overrides):
    async with unit_of_work() as session:
        return (await make_user(session, **overrides)).id


async def create(unit_of_work, user_id, label="production", limit=10):
    async with unit_of_work() as session:
        options = KeyOptions(label=label)
        return await service.create_key(session, user_id, options=options, limit=limit)


async def test_created_key_is_stored_as_its_digest_only(unit_of_work):
    owner = await make_owner(unit_of_work)
    key = await create(unit_of_work, owner)
    async with unit_of_work() as session:
        row = await session.get(ApiKeyMetadata, key.id)
        [summary] = await service.list_keys(session, owner)
    assert row.key_hash == sha256_hex(key.secret)
    assert row.status == "active"
    assert summary.start == key.start == key.secret[: len("lk_live_") + 4]
    assert key.secret not in repr(summary) + repr(row)


async def test_key_of_an_unverified_owner_is_pending(unit_of_work):
    owner = await make_owner(unit_of_work, email_verified=None)
    assert (await create(unit_of_work, owner)).status == "pending_verification"


async def test_pending_key_cannot_be_approved_before_the_address_is_verified(unit_of_work):
    owner = await make_owner(unit_of_work, email_verified=None)
    key = await create(unit_of_work, owner)
    with pytest.raises(AddressNotVerified):
        async with unit_of_work() as session:
            await service.approve_key(session, owner, key.id)


async def test_verified_owner_approves_each_pending_key(unit_of_work):
    owner = await make_owner(unit_of_work)
    async with unit_of_work() as session:
        user = await session.get(service.User, owner)
        first, _ = await make_key(session, user, status="pending_verification")
        second, _ = await make_key(session, user, status="pending_verification")
        first_id, second_id = first.id, second.id
    async with unit_of_work() as session:
        await service.approve_key(session, owner, first_id)
    async with unit_of_work() as session:
        statuses = {key.id: key.status for key in await service.list_keys(session, owner)}
    assert statuses == {first_id: "active", second_id: "pending_verification"}


async def test_revoked_key_cannot_be_approved_again(unit_of_work):
    owner = await make_owner(unit_of_work)
    key = await create(unit_of_work, owner)
    async with unit_of_work() as session:
        await service.revoke_key(session, owner, key.id)
    with pytest.raises(NotFound):
        async with unit_of_work() as session:
            await service.approve_key(session, owner, key.id)


async def test_revoking_twice_keeps_the_first_moment(unit_of_work):
    owner = await make_owner(unit_of_work)
    key = await create(unit_of_work, owner)
    moments = []
    for _ in range(2):
        async with unit_of_work() as session:
            await service.revoke_key(session, owner, key.id)
        async with unit_of_work() as session:
            [summary] = await service.list_keys(session, owner)
        moments.append(summary.revoked_at)
    assert moments[0] is not None
    assert moments[0] == moments[1]


@pytest.mark.parametrize("act", [service.revoke_key, service.approve_key])
async def test_stranger_cannot_touch_a_key(unit_of_work, act):
    owner = await make_owner(unit_of_work)
    stranger = await make_owner(unit_of_work)
    key = await create(unit_of_work, owner)
    with pytest.raises(NotFound):
        async with unit_of_work() as session:
            await act(session, stranger, key.id)
    async with unit_of_work() as session:
        [summary] = await service.list_keys(session, owner)
        assert await service.list_keys(session, stranger) == []
    assert summary.status == "active"


async def test_two_tabs_cannot_pass_the_plans_limit_together(unit_of_work):
    owner = await make_owner(unit_of_work)
    results = await asyncio.gather(
        *(create(unit_of_work, owner, limit=2) for _ in range(6)), return_exceptions=True
    )
    refusals = [result for result in results if isinstance(result, KeyLimitReached)]
    assert len(refusals) == 4
    assert len(results) - len(refusals) == 2


async def test_revoked_keys_do_not_count_towards_the_limit(unit_of_work):
    owner = await make_owner(unit_of_work)
    key = await create(unit_of_work, owner, limit=1)
    async with unit_of_work() as session:
        await service.revoke_key(session, owner, key.id)
    assert await create(unit_of_work, owner, limit=1)
