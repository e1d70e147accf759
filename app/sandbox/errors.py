"""What the sandbox refuses, in the shape of Stripe's errors."""

from typing import Any


class StripeError(Exception):
    """An answer that is no success: HTTP status, and Stripe's `type`, `code` and `param`.

    What was changed before it is undone, unless `keeps_changes`.
    """

    status = 400
    type = "invalid_request_error"
    keeps_changes = False

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param

    def fields(self) -> dict[str, Any]:
        """The error object, without what is unknown."""
        known = {"code": self.code, "param": self.param}
        return {
            "message": self.message,
            "type": self.type,
            **{name: value for name, value in known.items() if value is not None},
        }


class InvalidRequest(StripeError):
    """A parameter is wrong, or the act does not fit the object's state."""


class ResourceMissing(StripeError):
    """There is no object of this id."""

    status = 404

    def __init__(self, what: str, object_id: str, *, param: str = "id"):
        words = f"No such {what}: '{object_id}'"
        super().__init__(words, code="resource_missing", param=param)


class NothingUpcoming(StripeError):
    """No invoice is to come for this customer or subscription."""

    status = 404

    def __init__(self) -> None:
        super().__init__("No upcoming invoices for customer", code="invoice_upcoming_none")


class WrongKey(StripeError):
    """The request carries no key, or not the sandbox's."""

    status = 401


class NoSuchRoute(StripeError):
    """The sandbox does not speak this part of Stripe's API."""

    status = 404


class IdempotencyError(StripeError):
    """The key was used before, for another request."""

    type = "idempotency_error"


class CardError(StripeError):
    """The card was declined. The attempt is on record."""

    status = 402
    type = "card_error"
    keeps_changes = True
    decline_code = "generic_decline"

    def __init__(self) -> None:
        super().__init__("Your card was declined.", code="card_declined")

    def fields(self) -> dict[str, Any]:
        """The error object, with why the bank declined."""
        return {**super().fields(), "decline_code": self.decline_code}
