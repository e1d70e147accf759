"""How much a key may call."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.metering.asgi import Receive, Scope, Send
from app.metering.limits import DEBT_SECONDS, Bucket, Quota, make_terms
from app.metering.problems import QuotaExceeded, RateLimited
from tests.factories import make_subscription, make_user
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans


async def test_units_of_an_account_are_spent_exactly(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=10))
    replies = await asyncio.gather(*(ask(meter, key=live_key.secret) for _ in range(25)))
    refused = [reply for reply in replies if reply.status == 429]
    assert (len(refused), len(replies) - len(refused)) == (15, 10)
    assert {reply.json()["code"] for reply in refused} == {"quota_exceeded"}
    assert {reply.headers["x-quota-remaining"] for reply in refused} == {"0"}
    left = int(refused[0].headers["retry-after"])
    month_end = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0
    )
    assert abs(left - (month_end - datetime.now(UTC)).total_seconds()) < 10
    assert (await tables.usage())[3] == 10
    assert (await ask(meter, "GET", "/api/v1/lists", key=live_key.secret)).status == 200


async def test_free_answers_give_their_units_back(start_meter: StartMeter, live_key: Key) -> None:
    meter = await start_meter(answering(500), plans=lambda: plans(units=1))
    for _ in range(3):
        reply = await ask(meter, key=live_key.secret)
        assert (reply.status, reply.headers["x-quota-remaining"]) == (500, "1")


async def test_trials_share_their_workspaces_units_for_good(
    start_meter: StartMeter, trial_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(trial_units=2))
    replies = [await ask(meter, key=trial_key.secret) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert "retry-after" not in replies[2].headers
    assert "waiting does not help" in replies[2].json()["detail"]
    assert replies[0].headers["ratelimit-policy"] == '"requests";q=1000000;w=1, "units";q=2'
    [workspace] = await tables.execute('SELECT * FROM "TrialWorkspace"')
    ends = workspace["expiresAt"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert replies[0].headers["x-trial-ends"] == ends


async def test_other_nodes_use_is_learned(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    first = await start_meter(answering(), plans=lambda: plans(units=4))
    second = await start_meter(answering(), plans=lambda: plans(units=4))
    statuses = []
    for _ in range(3):
        statuses += [(await ask(meter, key=live_key.secret)).status for meter in (first, second)]
    # Each learns of the other with its own flush: at most what was in flight is too much.
    assert statuses.count(200) <= 5
    assert (await tables.usage())[3] == statuses.count(200)


async def test_period_of_a_yearly_plan_is_a_month(
    start_meter: StartMeter, live_key: Key, tables: Tables, unit_of_work: Any
) -> None:
    began = datetime.now(UTC) - timedelta(days=75)
    async with unit_of_work() as session:
        owner = await make_user(session)
        await make_subscription(
            session,
            owner,
            current_period_start=began,
            current_period_end=began + timedelta(days=365),
        )
    await tables.execute('UPDATE "ApiKeyMetadata" SET "userId" = %s', owner.id)
    await ask(await start_meter(answering()), key=live_key.secret)
    await tables.usage()  # counts it
    [period] = await tables.execute('SELECT * FROM latchkey."UsagePeriod"')
    assert timedelta(days=12) < datetime.now(UTC) - period["startsAt"].replace(tzinfo=UTC)
    assert period["startsAt"].day == began.day


async def test_requests_over_the_rate_are_refused_for_a_while(
    start_meter: StartMeter, live_key: Key
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(rate=3))
    replies = await asyncio.gather(*(ask(meter, key=live_key.secret) for _ in range(8)))
    refused = [reply for reply in replies if reply.status == 429]
    assert len(refused) >= 4
    assert refused[0].json()["code"] == "rate_limited"
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["ratelimit"].startswith('"requests";r=0;t=1, "units";r=')


@pytest.mark.parametrize("catches", [True, False])
async def test_reserving_more_than_is_left_is_429_whatever_the_app_makes_of_it(
    start_meter: StartMeter, live_key: Key, tables: Tables, catches: bool
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope["latchkey"].reserve(11)
        except Exception:
            if not catches:
                raise
            await start(send, 500)
            await body(send, b"oops")

    meter = await start_meter(App(serve), plans=lambda: plans(units=10))
    reply = await ask(meter, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (429, "quota_exceeded")
    assert [row["statusCode"] for row in await tables.calls()] == [429]
    assert reply.headers["x-quota-remaining"] == "10"


async def test_node_whose_clock_is_ten_minutes_off_records_by_the_databases(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    meter.clock._offset += 600
    reply = await ask(meter, key=live_key.secret)
    assert reply.status == 200
    [row] = await tables.calls()
    made_at = row["createdAt"].replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made_at) < timedelta(seconds=5)
    assert UUID(reply.request_id).int >> 80 == round(made_at.timestamp() * 1000)


def test_bucket_lets_a_seconds_burst_through_and_then_the_rate() -> None:
    bucket = Bucket()
    for _ in range(5):
        bucket.take(5, 100.0)
    with pytest.raises(RateLimited):
        bucket.take(5, 100.1)
    bucket.take(5, 100.2)
    with pytest.raises(RateLimited):
        bucket.take(5, 100.3)


def test_bucket_is_debited_by_what_others_took_and_owes_it_for_a_bounded_time() -> None:
    bucket = Bucket()
    bucket.debit(3, 5, 100.0)
    for _ in range(2):
        bucket.take(5, 100.0)
    with pytest.raises(RateLimited):
        bucket.take(5, 100.0)
    bucket.debit(5, 5, 100.0)
    assert bucket.left(5) == 0
    with pytest.raises(RateLimited):
        bucket.take(5, 101.1)
    bucket.take(5, 101.2)  # a second's debt, and one more
    bucket.debit(1000, 5, 102.0)
    with pytest.raises(RateLimited) as refusal:
        bucket.take(5, 102.0 + DEBT_SECONDS)
    assert refusal.value.headers["retry-after"] == "1"
    bucket.take(5, 102.0 + DEBT_SECONDS + 0.2)


def test_token_that_was_put_back_is_told_to_nobody() -> None:
    bucket = Bucket()
    bucket.take(5, 100.0)
    bucket.take(5, 100.0)
    bucket.put_back()
    assert bucket.taken == 1


def test_quota_does_not_believe_older_news() -> None:
    quota = Quota("scope", "start", 0, ("scope", "start"))
    quota.learn(10, asked_at=1.0)
    quota.settled_at = 5.0
    quota.learn(7, asked_at=4.0)
    assert quota.total == 10
    quota.learn(7, asked_at=6.0)
    assert quota.total == 7
    quota.reserve(3, 10, now_ms=0)
    with pytest.raises(QuotaExceeded):
        quota.reserve(1, 10, now_ms=0)
    quota.reserve(0, 10, now_ms=0)


def test_units_given_back_elsewhere_are_believed_of_a_later_statement_only() -> None:
    quota = Quota("scope", "start", 0, ("scope", "start"))
    quota.settle(10, 10, sent_at=1.0, received=2.0)
    quota.learned_at = 4.0
    quota.settle(7, 0, sent_at=3.0, received=5.0)  # on its way while the database was asked
    assert quota.total == 10
    quota.settle(7, 0, sent_at=5.0, received=6.0)
    assert quota.total == 7
    quota.reserve(1, 10, now_ms=0)
    quota.learn(5, asked_at=5.5)
    assert quota.total == 7
    quota.learn(5, asked_at=6.5)
    assert quota.total == 5


def test_total_that_lacks_what_is_counted_later_is_not_believed() -> None:
    quota = Quota("scope", "start", 0, ("scope", "start"))
    quota.learn(100, asked_at=1.0)
    quota.learned_at = 1.0
    quota.settle_later(5, received=2.0)
    assert quota.total == 105
    quota.learn(100, asked_at=3.0)  # nothing was settled since, and yet it is older news
    assert quota.total == 105
    quota.learned_at = 3.0
    quota.settle(103, 3, sent_at=4.0, received=5.0)  # of the 105 it holds 100
    assert quota.total == 108
    quota.settle(120, 1, sent_at=5.0, received=6.0)  # others used more than that
    assert quota.total == 120


def test_total_is_believed_again_when_a_fold_that_began_later_is_done() -> None:
    quota = Quota("scope", "start", 0, ("scope", "start"))
    quota.settle_later(5, received=2.0)
    assert not quota.note_fold(began=1.9, ended=2.5)
    quota.settle(3, 3, sent_at=2.6, received=2.7)
    assert quota.total == 8
    assert quota.note_fold(began=2.8, ended=3.5)
    quota.settle(9, 1, sent_at=3.4, received=3.6)  # sent before the fold had ended
    assert quota.total == 9
    quota.settle(7, 1, sent_at=3.6, received=3.7)
    assert quota.total == 7
    quota.learn(6, asked_at=3.8)
    assert quota.total == 6


@pytest.mark.parametrize(
    ("units", "later_below"), [(1000, 0), (2500, 1500), (10_000, 9000), (200_000, 180_000)]
)
def test_last_tenth_and_the_last_1000_units_are_counted_at_once(
    units: int, later_below: int
) -> None:
    terms = make_terms(lambda: plans(units=units), "free", is_trial=False)
    assert terms.later_below == later_below
