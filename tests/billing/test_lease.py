"""One at a time on an account, whatever process it is."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from app.billing import lease as leases
from app.billing.errors import BillingBusy
from app.billing.lease import leased
from app.core.errors import NotFound
from app.integrations.stripe.errors import StripeUnavailable
from tests.factories import make_user


@pytest.fixture
async def user_id(unit_of_work: Any) -> str:
    async with unit_of_work() as session:
        return (await make_user(session)).id


async def test_two_at_once_take_turns(user_id: str) -> None:
    inside, most = 0, 0

    async def act() -> None:
        nonlocal inside, most
        async with leased(user_id):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(act() for _ in range(5)))
    assert most == 1


async def test_who_waits_too_long_is_told(user_id: str) -> None:
    async with leased(user_id):
        with pytest.raises(BillingBusy):
            async with leased(user_id, patience_seconds=0.1):
                pass


async def test_accounts_do_not_wait_for_each_other(unit_of_work: Any, user_id: str) -> None:
    async with unit_of_work() as session:
        other = (await make_user(session)).id
    async with leased(user_id), leased(other, patience_seconds=0):
        pass


async def test_lease_is_given_back_after_a_failure(user_id: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with leased(user_id):
            raise ZeroDivisionError
    async with leased(user_id, patience_seconds=0):
        pass


async def test_lease_of_a_killed_process_ends_by_itself(
    unit_of_work: Any, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(lease: object) -> None:
        """As if the process were no more."""

    monkeypatch.setattr(leases, "_give_back", never)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.2)
    async with leased(user_id):
        pass
    with pytest.raises(BillingBusy):
        async with leased(user_id, patience_seconds=0):
            pass
    async with leased(user_id, patience_seconds=5):
        pass


async def test_who_lost_the_lease_can_write_nothing(
    unit_of_work: Any, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leased(user_id) as lease:
        async with unit_of_work() as session:
            await session.exec(
                text("""UPDATE latchkey."BillingAccount" SET "leaseHolder" = 'another'""")
            )
        with pytest.raises(BillingBusy):
            async with unit_of_work() as session:
                await lease.confirm(session)


async def test_act_that_takes_too_long_is_ended(
    user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "WORK_SECONDS", 0.1)
    with pytest.raises(StripeUnavailable):
        async with leased(user_id):
            await asyncio.sleep(60)
    async with leased(user_id, patience_seconds=0):
        pass


async def test_there_is_no_lease_of_nobody(unit_of_work: Any) -> None:
    with pytest.raises(NotFound):
        async with leased("nobody"):
            pass
