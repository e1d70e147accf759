"""Erased is erased: everywhere, for good, and nobody else's."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlmodel import col, func, select, update

from app.accounts.erasures import PATIENCE, AccountBeingErased
from app.accounts.sessions import find_session, start_session
from app.accounts.step_up import StepUpNeeded
from app.billing import leaving as leaving_stripe
from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.core.errors import InvalidRequest
from app.flows.erasure import begin_erasure
from app.jobs import erasure
from app.jobs.app import running_jobs
from app.models import (
    ApiCall,
    ApiKeyMetadata,
    BillingAccount,
    Erasure,
    SessionDetail,
    TrialApiKey,
    TrialWorkspace,
    User,
)
from app.trials.claims import subjects_of
from app.usage.verify import Range, verify
from tests.api.browser import make_settings
from tests.billing.conftest import shop as shop  # noqa: PLC0414  # a fixture
from tests.billing.shop import Shop, receive
from tests.factories import make_call, make_user
from tests.flows.customers import Customer, found_in, furnish
from tests.flows.erasing import Stripe, age, ask, is_open, subjects, work

BEGUN, DONE = "Your account is being deleted", "Your account is deleted"
_REPORT = """
    INSERT INTO latchkey."RateReport" (node, "reportedAt", digests, counts)
    VALUES ('node', now(), %s, '{1}')
"""
AT_STRIPE = {"SandboxDocument"}
"""Stripe itself, in the sandbox's place: its invoices stay."""


@pytest.fixture(autouse=True)
def mail_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    settings = make_settings(tmp_path)
    monkeypatch.setattr(erasure, "get_settings", lambda: settings)
    return tmp_path


@pytest.fixture
async def leaving(unit_of_work: Any) -> Customer:
    async with unit_of_work() as session:
        return await furnish(session, await make_user(session, email="Leaves@example.com"))


@pytest.fixture
def stripe(leaving: Customer, monkeypatch: pytest.MonkeyPatch) -> Stripe:
    made = Stripe(leaving.customer_id, "cus_other")
    monkeypatch.setattr("app.billing.leaving.get_gateway", lambda: made)
    return made


@pytest.fixture
async def staying(unit_of_work: Any) -> Customer:
    async with unit_of_work() as session:
        return await furnish(session, await make_user(session, email="stays@example.com"))


async def count(unit_of_work: Any, *conditions: Any) -> int:
    async with unit_of_work() as session:
        statement = select(func.count()).select_from(ApiCall).where(*conditions)
        return (await session.exec(statement)).one()


async def test_nothing_of_the_customer_is_found_anywhere_afterwards(
    shop: Shop, staying: Customer, database_url: str, mail_folder: Path, unit_of_work: Any
) -> None:
    await shop.buy()
    await shop.deliver()
    async with unit_of_work() as session:
        leaving = await furnish(session, await session.get(User, shop.user_id))
    everything = leaving.names | leaving.secrets
    with psycopg.connect(database_url) as admin:
        admin.execute("SELECT latchkey.fold_usage()")
        admin.execute(_REPORT, [[leaving.key.key_hash]])
    log = f"ApiCall_{leaving.user.created_at:%Y_%m}"
    assert {"User", log, "StripeEvent"} <= set(found_in(database_url, everything))
    others_before = found_in(database_url, staying.names)
    await work(await ask(leaving))
    found = found_in(database_url, everything)
    assert {table: rows for table, rows in found.items() if table not in AT_STRIPE} == {}
    assert set(found_in(database_url, subjects_of(leaving.user))) == {"TrialClaim"}
    assert found_in(database_url, staying.names) == others_before
    assert (await verify(Range())).total == 0
    assert not await is_open()
    assert subjects(mail_folder) == [BEGUN, DONE]
    await check_stripe(shop, leaving, database_url)


async def check_stripe(shop: Shop, leaving: Customer, database_url: str) -> None:
    """The customer and its plan are gone there, and what Stripe tells of that leaves nothing."""
    assert await shop.at_stripe("customers") == []
    told = await shop.stage.told()
    assert {"customer.subscription.deleted", "customer.deleted"} <= {one["type"] for one in told}
    await receive(told)
    found = found_in(database_url, {leaving.user.email, leaving.user.id, leaving.customer_id})
    assert {table: rows for table, rows in found.items() if table not in AT_STRIPE} == {
        "StripeEvent": {leaving.customer_id},  # that it was, not who it was
        "procrastinate_jobs": {leaving.customer_id},
    }


async def test_keys_and_sessions_end_with_the_wish_and_nobody_signs_in_any_more(
    leaving: Customer, unit_of_work: Any
) -> None:
    await ask(leaving)
    async with unit_of_work() as session:
        assert await find_session(session, sha256_hex(leaving.cookie)) is None
        for model in (ApiKeyMetadata, TrialApiKey):
            mine = model.id.in_([leaving.key.id, leaving.trial_key.id])  # type: ignore[attr-defined]  # a column
            assert (await session.exec(select(model.status).where(mine))).one() == "revoked"
        trial = select(TrialWorkspace.status).where(TrialWorkspace.id == leaving.trial.id)
        assert (await session.exec(trial)).one() == "cancelled"
    with pytest.raises(AccountBeingErased):
        async with unit_of_work() as session:
            await start_session(session, leaving.user.id, user_agent=None, ip_address=None)


async def test_old_session_and_wrong_address_erase_nothing(
    leaving: Customer, unit_of_work: Any
) -> None:
    async def wish(confirm: str) -> None:
        async with unit_of_work() as session:
            await begin_erasure(session, leaving.user.id, leaving.session_id, confirm=confirm)

    with pytest.raises(InvalidRequest) as refused:
        await wish("someone@example.com")
    assert set(refused.value.fields) == {"confirm"}
    async with unit_of_work() as session:
        aged = DB_NOW - timedelta(minutes=15)
        mine = col(SessionDetail.session_id) == leaving.session_id
        await session.exec(update(SessionDetail).where(mine).values(created_at=aged))
    with pytest.raises(StepUpNeeded):
        await wish(leaving.user.email)
    assert not await is_open()


async def test_address_compares_without_case_and_asking_twice_is_asking_once(
    leaving: Customer, unit_of_work: Any
) -> None:
    async with unit_of_work() as session:
        confirm = f" {leaving.user.email.upper()} "
        await begin_erasure(session, leaving.user.id, leaving.session_id, confirm=confirm)
        await erasure.erasures.note(session, leaving.user.id)  # from another tab
    async with unit_of_work() as session:
        assert len((await session.exec(select(Erasure.id))).all()) == 1


async def test_worker_takes_it_up_at_once(
    leaving: Customer, stripe: Stripe, unit_of_work: Any, mail_folder: Path
) -> None:
    async with running_jobs():
        await ask(leaving)
        async with asyncio.timeout(20):
            while not subjects(mail_folder) or await count(unit_of_work):  # noqa: ASYNC110  # a worker can only be asked
                await asyncio.sleep(0.05)
    assert stripe.known == {"cus_other"}


async def test_account_stays_until_all_nodes_have_written_what_they_had(
    leaving: Customer, stripe: Stripe, unit_of_work: Any, mail_folder: Path
) -> None:
    erasure_id = await ask(leaving)
    await erasure.erase(erasure_id)
    assert subjects(mail_folder) == [BEGUN]
    async with unit_of_work() as session:
        key = await session.get(ApiKeyMetadata, leaving.key.id)
        await make_call(session, key)  # by a node that knew the key a moment longer
    await age()
    await erasure.erase(erasure_id)
    assert await count(unit_of_work, ApiCall.api_key_id == leaving.key.id) == 0
    assert not await is_open()


async def test_calls_go_in_batches_and_the_counters_follow(
    leaving: Customer, unit_of_work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with unit_of_work() as session:
        key = await session.get(ApiKeyMetadata, leaving.key.id)
        for minutes in range(0, 240, 10):
            await make_call(
                session, key, created_at=leaving.user.created_at - timedelta(minutes=minutes)
            )
    await ask(leaving)
    late = iter([0.0, 1.0, 2.0, 3.0, 99.0])
    is_done = await erasure.erasing.delete_calls(
        leaving.user.id, batch=5, budget_seconds=10, clock=lambda: next(late)
    )
    assert not is_done
    assert 0 < await count(unit_of_work, ApiCall.api_key_id == leaving.key.id) < 24
    assert (await verify(Range())).total == 0
    assert await erasure.erasing.delete_calls(leaving.user.id, batch=5)
    assert await count(unit_of_work, ApiCall.api_key_id == leaving.key.id) == 0
    assert (await verify(Range())).total == 0


async def test_stripe_that_is_away_is_asked_again_and_holds_up_nothing_else(
    leaving: Customer, stripe: Stripe, unit_of_work: Any, mail_folder: Path, database_url: str
) -> None:
    stripe.is_away = True
    erasure_id = await ask(leaving)
    await work(erasure_id)
    assert await count(unit_of_work, ApiCall.api_key_id == leaving.key.id) == 0
    assert subjects(mail_folder) == [BEGUN]
    await age(PATIENCE)
    await erasure.erase(erasure_id)
    assert set(found_in(database_url, leaving.names | leaving.secrets)) == {"Erasure"}
    assert subjects(mail_folder) == [BEGUN, DONE]
    await age()
    await erasure.erase(erasure_id)
    assert await is_open()
    stripe.is_away = False
    await age()
    await erasure.erase(erasure_id)
    assert stripe.known == {"cus_other"}
    assert not await is_open()


async def test_mail_server_that_is_away_holds_up_nothing_for_ever(
    leaving: Customer,
    stripe: Stripe,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    mail_folder: Path,
) -> None:
    class Away:
        async def send(self, mail: Any) -> None:
            raise OSError("the mail server is away")

    monkeypatch.setattr(erasure, "make_mailer", lambda settings: Away())
    erasure_id = await ask(leaving)
    await work(erasure_id)
    assert await is_open()
    await age(PATIENCE)
    await erasure.erase(erasure_id)
    assert not await is_open()
    assert set(found_in(database_url, {leaving.user.id})) <= AT_STRIPE


async def test_work_that_was_put_off_or_lost_is_queued_when_due(
    leaving: Customer, database_url: str, unit_of_work: Any
) -> None:
    erasure_id = await ask(leaving)

    async def queued() -> int:
        return len(found_in(database_url, {erasure_id}).get("procrastinate_jobs", ()))

    async with unit_of_work() as session:
        claimed = await erasure.erasures.claim(session, erasure_id)
    assert claimed is not None
    await erasure.erase(erasure_id)  # somebody is at it
    async with unit_of_work() as session:
        assert await erasure.erasures.list_due(session) == []
    await age()
    await erasure.erase_due(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert await queued() == 1


async def test_customer_that_only_stripe_knows_of_is_deleted_there_too(
    unit_of_work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe = Stripe("cus_lost", "cus_other", found="cus_lost")
    monkeypatch.setattr(leaving_stripe, "get_gateway", lambda: stripe)
    async with unit_of_work() as session:
        never, asked = await make_user(session), await make_user(session)
        session.add(BillingAccount(user_id=asked.id, customer_asked_at=DB_NOW))
    await leaving_stripe.delete_customer(never.id)
    assert stripe.known == {"cus_lost", "cus_other"}
    await leaving_stripe.delete_customer(asked.id)
    await leaving_stripe.delete_customer(asked.id)
    assert stripe.known == {"cus_other"}
