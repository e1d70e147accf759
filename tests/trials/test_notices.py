"""Which mails about a trial's end are due, once each, whenever somebody looks."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import delete, select, update

from app.core.clock import utc_now
from app.models import TrialExtension, TrialNotice, TrialWorkspace, User
from app.trials import notices
from app.trials.notices import DueMail, find_mail, queue_notices
from tests.conftest import UnitOfWork
from tests.factories import make_user, make_workspace
from tests.trials.passing import pass_time

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
JOBS = """SELECT args ->> 'notice_id' FROM latchkey.procrastinate_jobs
    WHERE task_name = 'trials:send_notice' ORDER BY id"""


async def start(unit_of_work: UnitOfWork, time: timedelta = 14 * DAY) -> TrialWorkspace:
    """A trial that begins now and lasts so long."""
    async with unit_of_work() as session:
        now = utc_now()
        owner = await make_user(session)
        return await make_workspace(session, owner, created_at=now, expires_at=now + time)


async def extend(unit_of_work: UnitOfWork, trial: TrialWorkspace, time: timedelta) -> None:
    """As an operator does: it is active again, until so long from now."""
    ends_at = utc_now() + time
    async with unit_of_work() as session:
        known = await session.get_one(TrialWorkspace, trial.id)
        session.add(
            TrialExtension(
                workspace_id=trial.id, days=1, reason="asked for", ended_at=known.expires_at,
                ends_at=ends_at,
            )
        )  # fmt: skip
        known.expires_at, known.status = ends_at, "active"


async def look(unit_of_work: UnitOfWork) -> int:
    """A round of the job: how many occasions it settled."""
    async with unit_of_work() as session:
        return await queue_notices(session)


async def queued(unit_of_work: UnitOfWork) -> list[str]:
    """The kinds of mails that were queued, in that order."""
    async with unit_of_work() as session:
        ids = [row[0] for row in (await session.exec(text(JOBS))).all()]  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
        kinds = dict((await session.exec(select(TrialNotice.id, TrialNotice.kind))).all())
    return [kinds[one] for one in ids if one in kinds]


async def mails(unit_of_work: UnitOfWork) -> dict[str, DueMail | None]:
    """By kind, what of each settled occasion would be sent now."""
    async with unit_of_work() as session:
        rows = (await session.exec(select(TrialNotice).order_by("createdAt"))).all()
        return {row.kind: await find_mail(session, row.id) for row in rows}


async def test_each_mail_is_queued_once_when_its_time_has_come(unit_of_work: UnitOfWork) -> None:
    await start(unit_of_work)
    expected: list[str] = []
    for days, kind in ((11, "3_days"), (2, "1_day"), (1, "ended")):
        await pass_time(unit_of_work, days * DAY - MINUTE)
        assert await look(unit_of_work) == 0
        assert await queued(unit_of_work) == expected
        await pass_time(unit_of_work, MINUTE)
        assert await look(unit_of_work) == 1
        assert await look(unit_of_work) == 0
        expected.append(kind)
        assert await queued(unit_of_work) == expected


@pytest.mark.parametrize(
    ("days", "kind"), [(11.5, "3_days"), (13.5, "1_day"), (14.5, "ended"), (20, "ended")]
)
async def test_after_a_time_without_jobs_only_the_latest_is_sent(
    unit_of_work: UnitOfWork, days: float, kind: str
) -> None:
    await start(unit_of_work)
    await pass_time(unit_of_work, days * DAY)
    kinds = list(notices.LEADS)
    assert await look(unit_of_work) == kinds.index(kind) + 1
    assert await queued(unit_of_work) == [kind]
    found = await mails(unit_of_work)
    assert {one for one, mail in found.items() if mail is not None} == {kind}
    mail = found[kind]
    assert mail is not None
    assert abs(mail.left - max((14 - days) * DAY, timedelta())) < MINUTE


async def test_end_whose_data_day_has_come_too_is_not_told(unit_of_work: UnitOfWork) -> None:
    await start(unit_of_work)
    await pass_time(unit_of_work, (14 + 30) * DAY)
    assert await look(unit_of_work) == 0


@pytest.mark.parametrize(
    ("days", "kinds"),
    [(0.5, ["ended"]), (1, ["ended"]), (2, ["1_day", "ended"]), (3, ["1_day", "ended"]),
     (3.1, ["3_days", "1_day", "ended"])],
)  # fmt: skip
async def test_moment_before_the_trial_began_is_none(
    unit_of_work: UnitOfWork, days: float, kinds: list[str]
) -> None:
    await start(unit_of_work, days * DAY)
    for _ in range(9):
        await look(unit_of_work)
        await pass_time(unit_of_work, DAY / 2)
    await look(unit_of_work)
    assert await queued(unit_of_work) == kinds


async def test_extension_is_a_new_end_with_mails_of_its_own(unit_of_work: UnitOfWork) -> None:
    trial = await start(unit_of_work)
    await pass_time(unit_of_work, 12 * DAY)
    await look(unit_of_work)
    await extend(unit_of_work, trial, 2 * DAY)
    assert await mails(unit_of_work) == {"3_days": None}
    assert await look(unit_of_work) == 0
    await pass_time(unit_of_work, DAY)
    await look(unit_of_work)
    await pass_time(unit_of_work, DAY)
    await look(unit_of_work)
    await extend(unit_of_work, trial, 5 * DAY)
    for _ in range(5):
        await look(unit_of_work)
        await pass_time(unit_of_work, DAY)
    await look(unit_of_work)
    assert await queued(unit_of_work) == ["3_days", "1_day", "ended", "3_days", "1_day", "ended"]


@pytest.mark.parametrize("status", ["converted", "cancelled", "something else"])
async def test_trial_that_ended_otherwise_is_told_nothing(
    unit_of_work: UnitOfWork, status: str
) -> None:
    await start(unit_of_work)
    await pass_time(unit_of_work, 11 * DAY)
    assert await look(unit_of_work) == 1
    async with unit_of_work() as session:
        await session.exec(update(TrialWorkspace).values(status=status))
    assert await mails(unit_of_work) == {"3_days": None}
    for _ in range(4):
        await pass_time(unit_of_work, DAY)
        assert await look(unit_of_work) == 0


async def test_reminder_that_was_held_up_is_dropped_when_its_end_has_come(
    unit_of_work: UnitOfWork,
) -> None:
    await start(unit_of_work)
    await pass_time(unit_of_work, 13 * DAY)
    await look(unit_of_work)
    await pass_time(unit_of_work, DAY)
    assert (await mails(unit_of_work))["1_day"] is None


async def test_end_is_told_whether_or_not_it_is_written_down(unit_of_work: UnitOfWork) -> None:
    await start(unit_of_work)
    await pass_time(unit_of_work, 14 * DAY)
    await look(unit_of_work)
    before = await mails(unit_of_work)
    async with unit_of_work() as session:
        await session.exec(update(TrialWorkspace).values(status="expired"))
    after = await mails(unit_of_work)
    assert before == after
    assert after["ended"] is not None


async def test_mail_goes_to_a_verified_address_only(unit_of_work: UnitOfWork) -> None:
    await start(unit_of_work)
    await pass_time(unit_of_work, 14 * DAY)
    async with unit_of_work() as session:
        await session.exec(update(User).values(email_verified=None))
    await look(unit_of_work)
    assert set((await mails(unit_of_work)).values()) == {None}


async def test_mail_says_what_the_trial_is_and_when(unit_of_work: UnitOfWork) -> None:
    trial = await start(unit_of_work)
    await pass_time(unit_of_work, 12.5 * DAY)
    await look(unit_of_work)
    mail = (await mails(unit_of_work))["3_days"]
    assert mail is not None
    async with unit_of_work() as session:
        trial = await session.get_one(TrialWorkspace, trial.id)
        owner = await session.get_one(User, trial.owner_id)
    assert (mail.to, mail.slug, mail.name) == (owner.email, trial.slug, trial.name)
    assert (mail.ends_at, mail.data_goes_at) == (trial.expires_at, trial.expires_at + 30 * DAY)


async def test_several_rounds_at_once_queue_each_mail_once(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_AT_ONCE", 4)
    for _ in range(6):
        await start(unit_of_work)
    await pass_time(unit_of_work, 13 * DAY)
    await asyncio.gather(*(look(unit_of_work) for _ in range(6)))
    while await look(unit_of_work):
        pass
    assert await queued(unit_of_work) == ["1_day"] * 6
    async with unit_of_work() as session:
        assert len((await session.exec(select(TrialNotice))).all()) == 12


@given_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lasts=st.floats(0.1, 6),
    rounds=st.lists(st.floats(0, 7), max_size=5).map(sorted),
)
async def test_whenever_jobs_run_the_mails_come_in_order_and_none_after_the_end(
    unit_of_work: UnitOfWork, lasts: float, rounds: list[float]
) -> None:
    async with unit_of_work() as session:
        await session.exec(delete(User))
    await start(unit_of_work, lasts * DAY)
    for earlier, later in pairwise([0, *rounds, 7]):
        await pass_time(unit_of_work, (later - earlier) * DAY)
        settled = len(await queued(unit_of_work))
        await look(unit_of_work)
        assert len(await queued(unit_of_work)) <= settled + 1
    kinds = await queued(unit_of_work)
    assert kinds == sorted(set(kinds), key=list(notices.LEADS).index)
    assert kinds[-1] == "ended"
