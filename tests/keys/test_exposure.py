"""Keys that were reported: ended once, their owners told once, nobody else told anything."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select, text, update

from app.core.clock import utc_now
from app.keys import exposure
from app.keys.exposure import Sighting, end_exposed, read_sighting
from app.keys.exposure_notice import ExposureNotice, find_exposure_notice
from app.keys.format import new_key
from app.models import (
    ApiKeyDetail,
    ApiKeyMetadata,
    KeyExposure,
    TrialApiKey,
    TrialApiKeyDetail,
    User,
)
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_trial_key, make_user, make_workspace

DAY = timedelta(hours=24)
NOW = timedelta(0)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SEEN = "https://github.com/o/r/blob/main/a.txt"


async def report(
    unit_of_work: UnitOfWork, *secrets: str, grace: timedelta = DAY, url: str | None = SEEN
) -> frozenset[str]:
    async with unit_of_work() as session:
        sightings = [read_sighting(secret, url=url) for secret in secrets]
        return await end_exposed(session, sightings, grace=grace)


async def told(unit_of_work: UnitOfWork) -> list[str]:
    """The keys about which a mail waits, in order."""
    async with unit_of_work() as session:
        rows = await session.exec(
            text("SELECT args, task_name FROM latchkey.procrastinate_jobs ORDER BY id")  # type: ignore[call-overload]
        )
        found = rows.all()
    assert {row[1] for row in found} <= {exposure.NOTICE_TASK}
    return [row[0]["key_id"] for row in found]


async def new_live(unit_of_work: UnitOfWork, **values: Any) -> tuple[ApiKeyMetadata, str]:
    async with unit_of_work() as session:
        return await make_key(session, await make_user(session), **values)


async def new_trial(unit_of_work: UnitOfWork, **values: Any) -> tuple[TrialApiKey, str]:
    async with unit_of_work() as session:
        workspace = await make_workspace(session, await make_user(session))
        return await make_trial_key(session, workspace, **values)


async def get(unit_of_work: UnitOfWork, model: Any, key_id: str) -> Any:
    async with unit_of_work() as session:
        return await session.get(model, key_id)


def is_in_a_day(moment: datetime | None) -> bool:
    return moment is not None and abs(moment - utc_now() - DAY) < timedelta(minutes=1)


async def test_live_key_is_revoked_at_once_and_its_owner_told(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_live(unit_of_work)
    other, _ = await new_live(unit_of_work)
    assert await report(unit_of_work, secret, grace=NOW) == {key.key_hash}
    row = await get(unit_of_work, ApiKeyMetadata, key.id)
    assert (row.status, row.revoked_at is not None) == ("revoked", True)
    assert (await get(unit_of_work, ApiKeyMetadata, other.id)).status == "active"
    assert await told(unit_of_work) == [key.id]


async def test_live_key_gets_a_day_and_its_owner_is_told(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_live(unit_of_work)
    await report(unit_of_work, secret)
    assert (await get(unit_of_work, ApiKeyMetadata, key.id)).status == "active"
    assert is_in_a_day((await get(unit_of_work, ApiKeyDetail, key.id)).grace_ends_at)
    assert await told(unit_of_work) == [key.id]


async def test_trial_key_is_revoked_at_once_and_its_owner_told(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_trial(unit_of_work)
    assert await report(unit_of_work, secret, grace=NOW) == {key.key_hash}
    row = await get(unit_of_work, TrialApiKey, key.id)
    assert (row.status, row.revoked_at is not None) == ("revoked", True)
    assert await told(unit_of_work) == [key.id]


async def test_trial_key_gets_a_day_and_its_owner_is_told(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_trial(unit_of_work)
    await report(unit_of_work, secret)
    assert (await get(unit_of_work, TrialApiKey, key.id)).status == "active"
    assert is_in_a_day((await get(unit_of_work, TrialApiKeyDetail, key.id)).expires_at)
    assert await told(unit_of_work) == [key.id]


async def test_pending_key_needs_no_grace(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_live(unit_of_work, status="pending_verification")
    await report(unit_of_work, secret)
    assert (await get(unit_of_work, ApiKeyMetadata, key.id)).status == "revoked"


async def test_key_without_a_detail_row_ends_too(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_live(unit_of_work)
    trial, trial_secret = await new_trial(unit_of_work)
    async with unit_of_work() as session:
        await session.exec(text('DELETE FROM latchkey."ApiKeyDetail"'))  # type: ignore[call-overload]
        await session.exec(text('DELETE FROM latchkey."TrialApiKeyDetail"'))  # type: ignore[call-overload]
    await report(unit_of_work, secret, trial_secret)
    detail = await get(unit_of_work, ApiKeyDetail, key.id)
    assert (detail.start, is_in_a_day(detail.grace_ends_at)) == (secret[:12], True)
    of_trial = await get(unit_of_work, TrialApiKeyDetail, trial.id)
    assert (of_trial.start, is_in_a_day(of_trial.expires_at)) == (trial_secret[:13], True)


async def test_key_that_ends_sooner_still_does(unit_of_work: UnitOfWork) -> None:
    soon = utc_now() + timedelta(hours=1)
    key, secret = await new_live(unit_of_work, detail={"grace_ends_at": soon})
    trial, trial_secret = await new_trial(unit_of_work, detail={"expires_at": soon})
    await report(unit_of_work, secret, trial_secret)
    kept = (await get(unit_of_work, ApiKeyDetail, key.id)).grace_ends_at
    of_trial = (await get(unit_of_work, TrialApiKeyDetail, trial.id)).expires_at
    for moment in (kept, of_trial):
        assert abs(moment - soon) < timedelta(milliseconds=1)
    async with unit_of_work() as session:
        notice = await find_exposure_notice(session, key.id)
    assert notice is not None
    assert abs(notice.ends_at - soon) < timedelta(milliseconds=1)


@pytest.mark.parametrize("grace", [NOW, DAY])
async def test_reported_again_it_changes_nothing_and_no_mail_follows(
    unit_of_work: UnitOfWork, grace: timedelta
) -> None:
    key, secret = await new_live(unit_of_work)
    trial, trial_secret = await new_trial(unit_of_work)
    places = (
        (ApiKeyMetadata, key.id), (ApiKeyDetail, key.id),
        (TrialApiKey, trial.id), (TrialApiKeyDetail, trial.id),
    )  # fmt: skip
    found = []
    for _ in range(3):
        await report(unit_of_work, secret, trial_secret, secret, grace=grace)
        found.append([await get(unit_of_work, *place) for place in places])
    assert found[0] == found[1] == found[2]
    assert sorted(await told(unit_of_work)) == sorted([key.id, trial.id])


@pytest.mark.parametrize(
    "values",
    [
        {"status": "revoked"},
        {"revoked_at": LONG_AGO},
        {"detail": {"expires_at": LONG_AGO}},
        {"detail": {"grace_ends_at": LONG_AGO}},
    ],
)
@pytest.mark.parametrize("grace", [NOW, DAY])
async def test_nobody_is_told_of_a_key_that_had_ended(
    unit_of_work: UnitOfWork, values: dict[str, Any], grace: timedelta
) -> None:
    key, secret = await new_live(unit_of_work, **values)
    before = await get(unit_of_work, ApiKeyMetadata, key.id)
    assert await report(unit_of_work, secret, grace=grace) == {key.key_hash}
    assert await get(unit_of_work, ApiKeyMetadata, key.id) == before
    assert await told(unit_of_work) == []


@pytest.mark.parametrize(
    "values", [{"status": "revoked"}, {"status": "converted"}, {"detail": {"expires_at": LONG_AGO}}]
)
async def test_nobody_is_told_of_a_trial_key_that_had_ended(
    unit_of_work: UnitOfWork, values: dict[str, Any]
) -> None:
    key, secret = await new_trial(unit_of_work, **values)
    assert await report(unit_of_work, secret, grace=NOW) == {key.key_hash}
    assert (await get(unit_of_work, TrialApiKey, key.id)).status == values.get("status", "active")
    assert await told(unit_of_work) == []


async def test_converted_trial_key_ends_as_the_live_key_that_it_is(
    unit_of_work: UnitOfWork,
) -> None:
    trial, secret = await new_trial(unit_of_work, status="converted")
    live, _ = await new_live(unit_of_work, key_hash=trial.key_hash)
    assert await report(unit_of_work, secret, grace=NOW) == {trial.key_hash}
    assert (await get(unit_of_work, ApiKeyMetadata, live.id)).status == "revoked"
    assert (await get(unit_of_work, TrialApiKey, trial.id)).status == "converted"
    assert await told(unit_of_work) == [live.id]


async def test_trial_key_ends_though_its_trial_is_over(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        workspace = await make_workspace(
            session, await make_user(session), status="expired", expires_at=LONG_AGO
        )
        key, secret = await make_trial_key(session, workspace)
    await report(unit_of_work, secret, grace=NOW)
    assert (await get(unit_of_work, TrialApiKey, key.id)).status == "revoked"


@pytest.mark.parametrize("text_sent", ["", "hello", "lk_live_" + "0" * 38, "\ud800", "a" * 300])
async def test_what_is_no_key_of_ours_changes_nothing(
    unit_of_work: UnitOfWork, text_sent: str
) -> None:
    await new_live(unit_of_work)
    assert await report(unit_of_work, text_sent, new_key("live"), new_key("trial")) == frozenset()
    assert await told(unit_of_work) == []


def test_nothing_of_a_report_holds_the_key() -> None:
    secret = new_key("live")
    sighting = read_sighting(secret, url=f"https://x.example/?key={secret}", source=secret)
    assert isinstance(sighting, Sighting)
    assert secret not in repr(sighting)
    assert secret[12:] not in repr(sighting)


async def test_many_reports_at_once_make_one_mail_and_none_waits_for_ever(
    unit_of_work: UnitOfWork,
) -> None:
    keys = [await new_live(unit_of_work) for _ in range(5)]
    secrets = [secret for _, secret in keys]
    await asyncio.gather(
        *(report(unit_of_work, *(secrets if n % 2 else secrets[::-1])) for n in range(10))
    )
    assert sorted(await told(unit_of_work)) == sorted(key.id for key, _ in keys)


async def test_conversion_under_way_is_waited_for(unit_of_work: UnitOfWork) -> None:
    trial, secret = await new_trial(unit_of_work)
    async with unit_of_work() as session:
        await session.exec(
            update(TrialApiKey).where(TrialApiKey.id == trial.id).values(status="converted")
        )
        reporting = asyncio.create_task(report(unit_of_work, secret, grace=NOW))
        await asyncio.sleep(0.1)
        owner = (await session.exec(select(User))).one()
        live, _ = await make_key(session, owner, key_hash=trial.key_hash)
    await reporting
    assert (await get(unit_of_work, ApiKeyMetadata, live.id)).status == "revoked"


async def test_notice_says_which_key_of_whom_was_seen_where(unit_of_work: UnitOfWork) -> None:
    key, secret = await new_live(unit_of_work, label="production")
    trial, trial_secret = await new_trial(unit_of_work)
    await report(unit_of_work, secret, grace=NOW)
    await report(unit_of_work, trial_secret, url=None)
    async with unit_of_work() as session:
        live = await find_exposure_notice(session, key.id)
        of_trial = await find_exposure_notice(session, trial.id)
        assert await find_exposure_notice(session, "gone") is None
        seen = await session.get(KeyExposure, key.id)
        owner = await session.get(User, key.user_id)
    assert owner is not None
    assert seen is not None
    place = "github[.]com/o/r/blob/main/a[.]txt"
    expected = ExposureNotice(
        False, owner.email, "production", secret[:12], place, seen.ends_at, True
    )
    assert live == expected
    assert of_trial is not None
    assert (of_trial.is_trial, of_trial.place, of_trial.is_revoked) == (True, None, False)


async def test_owner_whose_address_is_not_verified_is_not_told(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, email_verified=None)
        key, secret = await make_key(session, user)
    await report(unit_of_work, secret)
    async with unit_of_work() as session:
        assert await find_exposure_notice(session, key.id) is None
