"""What can stand in the way of buying, changing or ending a plan, in words for the customer."""

from app.core.errors import LatchkeyError


class PlanNotSold(LatchkeyError):
    """There is no such plan, or it has no price for this interval."""

    status = 404
    code = "plan_not_sold"
    title = "This plan cannot be bought"
    default_detail = "This plan is not sold this way. Choose another plan, or the other interval."


class AlreadySubscribed(LatchkeyError):
    """The account has a plan, bought here or in another tab."""

    status = 409
    code = "already_subscribed"
    title = "You have a plan already"
    default_detail = "Your account has a plan already. Change it on the Billing page instead."


class NotSubscribed(LatchkeyError):
    """The account has no plan that could be changed or ended."""

    status = 409
    code = "not_subscribed"
    title = "You have no plan yet"
    default_detail = "Your account has no plan to change. Choose one on the pricing page."


class PlanUnchanged(LatchkeyError):
    """The account is on this plan already."""

    status = 409
    code = "plan_unchanged"
    title = "You are on this plan already"
    default_detail = "Your account is on this plan already. Reload the page to see it."


class PaymentDue(LatchkeyError):
    """An invoice is open; the plan cannot be changed before it is paid."""

    status = 409
    code = "payment_due"
    title = "An invoice is open"
    default_detail = (
        "An invoice of your plan is not paid yet. Pay it first, under Manage card and invoices; "
        "then change the plan."
    )


class PreviewOutdated(LatchkeyError):
    """The sums that were shown are no longer those that would be charged."""

    status = 409
    code = "preview_outdated"
    title = "The preview is too old"
    default_detail = (
        "The sums have changed since they were shown. Look at them again, then confirm."
    )


class BillingBusy(LatchkeyError):
    """Another act on the same account is not finished."""

    status = 409
    code = "billing_busy"
    title = "Still at work"
    default_detail = (
        "Another change of this account's plan is being made, perhaps in another tab. "
        "Wait a few seconds, reload the page, and try again if it is still needed."
    )


def words_of(error: Exception) -> str:
    """What it says, in one line; its name where it says nothing."""
    words = error.detail if isinstance(error, LatchkeyError) else str(error)
    return (words.splitlines() or [type(error).__name__])[0]
