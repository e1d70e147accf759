"""What an account has used of its present month."""

from datetime import timedelta

from app.core.clock import utc_now
from app.models import UsagePeriod, User
from app.usage.quota import QuotaUse, get_quota_use
from tests.conftest import UnitOfWork
from tests.factories import make_subscription, make_user


async def use_of(unit_of_work: UnitOfWork, user: User) -> QuotaUse:
    async with unit_of_work() as session:
        return await get_quota_use(session, user.id)


async def test_account_without_calls_has_used_nothing_of_its_calendar_month(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
    use = await use_of(unit_of_work, user)
    first = utc_now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert use.units == 0
    assert use.resets_at == (first + timedelta(days=32)).replace(day=1)


async def test_use_is_the_sum_over_the_slots_of_the_present_month_only(
    unit_of_work: UnitOfWork,
) -> None:
    start = (utc_now() - timedelta(days=3)).replace(microsecond=0)
    async with unit_of_work() as session:
        user, other = await make_user(session), await make_user(session)
        await make_subscription(session, user, current_period_start=start)
        rows = [(user, start, 0, 40), (user, start, 1, 2), (other, start, 0, 500)]
        rows.append((user, start - timedelta(days=31), 0, 9_000))
        for owner, starts_at, slot, units in rows:
            session.add(
                UsagePeriod(
                    scope_id=owner.id, starts_at=starts_at, slot=slot, units=units, calls=units
                )
            )
    use = await use_of(unit_of_work, user)
    assert use.units == 42
    assert timedelta(days=24) < use.resets_at - utc_now() < timedelta(days=29)
