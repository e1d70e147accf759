"""Which subscription counts, and since when it is owed."""

from datetime import timedelta

from app.billing.facts import _with_unpaid as with_unpaid
from app.billing.facts import choose
from tests.billing.facts import BEGUN, invoice, subscription

DAY = timedelta(days=1)


def test_live_one_goes_before_a_newer_one_that_ended() -> None:
    live = subscription(id="sub_live")
    ended = subscription(id="sub_new", status="canceled", created_at=BEGUN + DAY)
    assert choose([ended, live]) == live


def test_paid_one_goes_before_one_that_is_owed() -> None:
    owed = subscription(id="sub_owed", status="past_due", created_at=BEGUN + DAY)
    paid = subscription(id="sub_paid")
    assert choose([owed, paid]) == paid


def test_newest_counts_where_none_is_live() -> None:
    old = subscription(id="sub_old", status="canceled")
    new = subscription(id="sub_new", status="incomplete_expired", created_at=BEGUN + DAY)
    assert choose([old, new]) == new
    assert choose([new, old]) == new
    assert choose([]) is None


def test_oldest_open_invoice_says_since_when() -> None:
    found = with_unpaid(
        subscription(status="past_due"),
        [
            invoice(id="in_2", created_at=BEGUN + DAY),
            invoice(id="in_1"),
            invoice(id="in_0", status="paid", created_at=BEGUN - DAY),
            invoice(id="in_x", status="uncollectible", created_at=BEGUN - DAY),
        ],
    )
    assert (found.unpaid_since, found.unpaid_invoice_id) == (BEGUN, "in_1")


def test_plan_that_was_ended_for_want_of_money_gives_no_rest_of_its_period() -> None:
    ended = subscription(status="canceled", ended_at=BEGUN + DAY)
    assert with_unpaid(ended, [invoice(status="uncollectible")]).unpaid_since == BEGUN
    assert with_unpaid(ended, [invoice(status="void")]).unpaid_since is None
    failed = subscription(status="canceled", ended_at=BEGUN + DAY, is_payment_failure=True)
    assert with_unpaid(failed, [invoice(status="void")]).unpaid_since == BEGUN + DAY


def test_plan_is_over_when_it_ended_with_its_period() -> None:
    assert not subscription().is_over
    assert not subscription(status="canceled", ended_at=BEGUN + DAY).is_over
    assert subscription(status="canceled", ended_at=BEGUN + 30 * DAY).is_over


def test_invoice_that_was_never_sent_is_not_paid_either() -> None:
    # Stripe leaves a renewal's invoice a draft for an hour; who ends the plan within it stays
    # uncharged, with a whole period ahead
    ended = subscription(status="canceled", ended_at=BEGUN + DAY)
    assert with_unpaid(ended, [invoice(status="draft")]).unpaid_since == BEGUN
    credit = invoice(status="draft", amount_cents=-4_900)
    assert with_unpaid(ended, [credit]).unpaid_since is None
    owed = subscription(status="past_due")
    assert with_unpaid(owed, [invoice(status="draft")]).unpaid_since is None


def test_months_begin_with_the_subscription_or_its_trial_s_end() -> None:
    assert subscription(period_start=BEGUN + 10 * DAY).month_anchor == BEGUN
    trial = subscription(status="trialing", trial_end=BEGUN + 14 * DAY)
    assert trial.month_anchor == BEGUN
    after = subscription(trial_end=BEGUN + 14 * DAY, period_start=BEGUN + 14 * DAY)
    assert after.month_anchor == BEGUN + 14 * DAY
