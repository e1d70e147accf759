"""One trial of each tier in twelve months, for an account and for its address."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.models import TrialWorkspace, User
from app.trials.claims import TrialTaken, delete_old_claims
from app.trials.service import cancel_trial, start_trial
from tests.conftest import UnitOfWork
from tests.factories import make_user
from tests.metering.conftest import Tables

COUNT = 'SELECT count(*) FROM latchkey."TrialClaim"'


@pytest.fixture
def tables(database_url: str) -> Tables:
    return Tables(database_url)


async def make_owner(unit_of_work: UnitOfWork, email: str) -> str:
    async with unit_of_work() as session:
        return (await make_user(session, email=email)).id


async def start(
    unit_of_work: UnitOfWork, user_id: str, tier_id: str = "standard"
) -> TrialWorkspace:
    async with unit_of_work() as session:
        return await start_trial(session, user_id, name="Acme", tier_id=tier_id)


async def have_one(unit_of_work: UnitOfWork, user_id: str, tier_id: str = "standard") -> None:
    """Start a trial and cancel it: what refuses the next is that it was had."""
    trial = await start(unit_of_work, user_id, tier_id)
    async with unit_of_work() as session:
        await cancel_trial(session, user_id, trial.slug, confirm="Acme")


async def age(tables: Tables, days: int) -> None:
    statement = 'UPDATE latchkey."TrialClaim" SET "takenAt" = "takenAt" - make_interval(days => %s)'
    await tables.execute(statement, days)


async def test_refusal_says_when_and_the_way_on(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work, "ann@example.com")
    await have_one(unit_of_work, owner)
    with pytest.raises(TrialTaken) as refusal:
        await start(unit_of_work, owner)
    next_at = refusal.value.next_at
    assert next_at is not None
    assert timedelta(days=365) <= next_at - utc_now() + timedelta(minutes=1) <= timedelta(days=367)
    assert refusal.value.detail == (
        "The Standard trial was taken with this account or address before. There is another one "
        f"from {next_at.day} {next_at:%B %Y} on. Choose a plan to go on, or try Enterprise."
    )
    await have_one(unit_of_work, owner, "enterprise")
    with pytest.raises(TrialTaken) as refusal:
        await start(unit_of_work, owner)
    assert refusal.value.detail.endswith("on. Choose a plan to go on.")


async def test_tier_that_was_had_long_ago_is_offered_again(
    unit_of_work: UnitOfWork, tables: Tables
) -> None:
    owner = await make_owner(unit_of_work, "ann@example.com")
    await have_one(unit_of_work, owner, "enterprise")
    await age(tables, 367)
    await have_one(unit_of_work, owner)
    with pytest.raises(TrialTaken, match="or try Enterprise"):
        await start(unit_of_work, owner)


async def test_address_of_the_same_mailbox_gets_no_second_trial(unit_of_work: UnitOfWork) -> None:
    await start(unit_of_work, await make_owner(unit_of_work, "ann.smith@gmail.com"))
    other = await make_owner(unit_of_work, "AnnSmith+again@googlemail.com")
    with pytest.raises(TrialTaken):
        await start(unit_of_work, other)
    assert await start(unit_of_work, other, "enterprise")


async def test_account_gets_no_second_trial_by_another_address(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work, "ann@example.com")
    await have_one(unit_of_work, owner)
    async with unit_of_work() as session:
        (await session.get_one(User, owner)).email = "other@example.com"
    with pytest.raises(TrialTaken):
        await start(unit_of_work, owner)


async def test_deleted_account_gets_no_second_trial_by_signing_up_again(
    unit_of_work: UnitOfWork,
) -> None:
    owner = await make_owner(unit_of_work, "ann@example.com")
    await start(unit_of_work, owner)
    async with unit_of_work() as session:
        await session.delete(await session.get_one(User, owner))
    with pytest.raises(TrialTaken):
        await start(unit_of_work, await make_owner(unit_of_work, "Ann@example.com"))


async def test_refused_start_keeps_no_claim_also_when_the_caller_goes_on(
    unit_of_work: UnitOfWork, tables: Tables
) -> None:
    await start(unit_of_work, await make_owner(unit_of_work, "ann@gmail.com"))
    other = await make_owner(unit_of_work, "a.nn@gmail.com")
    before = await tables.execute('SELECT * FROM latchkey."TrialClaim" ORDER BY subject')
    async with unit_of_work() as session:
        with pytest.raises(TrialTaken):
            await start_trial(session, other, name="Acme", tier_id="standard")
        await session.exec(text("SELECT 1"))
    assert await tables.execute('SELECT * FROM latchkey."TrialClaim" ORDER BY subject') == before


async def test_claim_says_nothing_of_who_it_was(unit_of_work: UnitOfWork, tables: Tables) -> None:
    owner = await make_owner(unit_of_work, "ann@example.com")
    await start(unit_of_work, owner)
    rows = await tables.execute('SELECT * FROM latchkey."TrialClaim"')
    assert len(rows) == 2
    assert owner not in str(rows)
    assert "ann" not in str(rows)


@pytest.mark.parametrize(("age_days", "is_possible"), [(364, False), (367, True)])
async def test_next_trial_is_possible_after_twelve_months(
    unit_of_work: UnitOfWork, tables: Tables, age_days: int, is_possible: bool
) -> None:
    owner = await make_owner(unit_of_work, "ann@example.com")
    await have_one(unit_of_work, owner)
    await age(tables, age_days)
    if not is_possible:
        with pytest.raises(TrialTaken):
            await start(unit_of_work, owner)
        return
    await have_one(unit_of_work, owner)
    with pytest.raises(TrialTaken):
        await start(unit_of_work, owner)
    assert await tables.execute(COUNT) == [{"count": 2}]


async def test_accounts_of_one_mailbox_get_one_trial_at_once(unit_of_work: UnitOfWork) -> None:
    owners = [await make_owner(unit_of_work, f"ann+{n}@gmail.com") for n in range(20)]
    results = await asyncio.gather(
        *(start(unit_of_work, owner) for owner in owners), return_exceptions=True
    )
    assert Counter(type(result) for result in results) == {TrialWorkspace: 1, TrialTaken: 19}


async def test_old_claims_are_forgotten(unit_of_work: UnitOfWork, tables: Tables) -> None:
    await start(unit_of_work, await make_owner(unit_of_work, "ann@example.com"))
    await age(tables, 364)
    async with unit_of_work() as session:
        assert await delete_old_claims(session) == 0
    await age(tables, 3)
    await start(unit_of_work, await make_owner(unit_of_work, "bob@example.com"))
    async with unit_of_work() as session:
        assert await delete_old_claims(session) == 2
        assert await delete_old_claims(session) == 0
    assert await tables.execute(COUNT) == [{"count": 2}]
