"""What can go wrong with Stripe, in words for the customer. One place names it all."""

from app.core.errors import LatchkeyError


class StripeError(LatchkeyError):
    """Stripe was asked and did not do it."""

    status = 502
    code = "payment_provider_error"
    title = "The payment provider refused"
    default_detail = (
        "The payment provider did not accept this. Nothing was changed here. Try again; if it "
        "stays, tell us."
    )


class StripeUnavailable(StripeError):
    """Stripe is down, slow, or answers what cannot be read. What was asked may have been done."""

    status = 503
    code = "payment_provider_unavailable"
    title = "The payment provider does not answer"
    default_detail = (
        "The payment provider does not answer now. Nothing is charged twice: wait a minute, reload "
        "the page, and try again if it is still needed. Your plan and your keys go on as they are."
    )


class StripeBusy(StripeUnavailable):
    """Stripe answers 429."""

    code = "payment_provider_busy"
    title = "The payment provider is busy"
    default_detail = (
        "The payment provider is busy now. Nothing was changed. Wait a minute and try again."
    )


class StripeMisconfigured(StripeError):
    """Stripe does not know our key, or forbids what we ask."""

    status = 503
    code = "payment_provider_misconfigured"
    title = "Billing is not set up"
    default_detail = (
        "Billing is not set up rightly, and we have noted it. Nothing was changed. Try again later."
    )


class StripeNotFound(StripeError):
    """Stripe has no such object."""

    status = 404
    code = "payment_object_missing"
    title = "Not known to the payment provider"
    default_detail = "The payment provider does not know this any more. Reload the page."


class IdempotencyMismatch(StripeError):
    """The same idempotency key was used before, for another request."""

    status = 409
    code = "payment_request_conflict"
    title = "Asked before in another way"
    default_detail = "This was asked for before in another way. Reload the page and try again."


class PaymentDeclined(StripeError):
    """The card was declined. Nothing was changed."""

    status = 402
    code = "payment_declined"
    title = "The card was declined"
    default_detail = (
        "Your card was declined, and nothing was changed. Choose another card under Manage card "
        "and invoices, then try again."
    )


class ConfirmationNeeded(PaymentDeclined):
    """The bank wants its customer to confirm the charge (3-D Secure), which only a page can."""

    code = "payment_confirmation_needed"
    title = "Your bank wants you to confirm"
    default_detail = (
        "Your bank wants you to confirm this charge, which cannot be done here, and nothing was "
        "changed. Choose another card under Manage card and invoices, then try again."
    )
