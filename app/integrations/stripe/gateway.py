"""What we ask of Stripe: each thing one method, with typed parameters and a named failure.

Every write carries an idempotency key that follows from what is done, so that an act that is
repeated after a crash, or by the package after a lost answer, is one act at Stripe.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import stripe

from app.integrations.stripe import objects
from app.integrations.stripe.failures import answered
from app.integrations.stripe.objects import (
    StripeCheckout,
    StripeInvoice,
    StripePreview,
    StripePrice,
    StripeSubscription,
)

API_VERSION = "2026-10-28.endive"
"""The version whose shapes `objects` reads; the one that the pinned package is made for."""

RETRIES = 2
TRY_SECONDS = 8.0
USER_KEY = "latchkey_user"
"""Metadata of a customer: whose account it is."""

_PAGE = 100
_MOST_PAGES = 20
One = TypeVar("One")


def _key(idempotency_key: str) -> stripe.RequestOptions:
    return {"idempotency_key": f"latchkey:{idempotency_key}"}


class Gateway:
    """Stripe, or a server that speaks its API, asked by the event loop that made this."""

    def __init__(self, secret_key: str, *, base: str | None = None) -> None:
        is_plain = base is not None and base.startswith("http://")
        self._client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base} if base else {},
            max_network_retries=RETRIES,
            # without TLS there are no authorities to load, which takes a while
            http_client=stripe.HTTPXClient(timeout=TRY_SECONDS, verify_ssl_certs=not is_plain),
        ).v1

    async def create_customer(self, *, user_id: str, email: str, idempotency_key: str) -> str:
        """Make a customer for this user; its id."""
        asked = self._client.customers.create_async(
            {"email": email, "metadata": {USER_KEY: user_id}}, _key(idempotency_key)
        )
        return objects.read(objects.identifier, await answered(asked))

    async def find_customer(self, user_id: str) -> str | None:
        """The id of this user's customer, the oldest if there should be several."""
        query = f"metadata['{USER_KEY}']:'{user_id}'"
        found = await answered(self._client.customers.search_async({"query": query}))
        ids = objects.read(lambda page: [_customer(one) for one in page["data"]], found)
        return min(ids)[1] if ids else None

    async def is_deleted(self, customer_id: str) -> bool:
        """Whether the customer was deleted at Stripe. Raises StripeNotFound if it never was one."""
        found = await answered(self._client.customers.retrieve_async(customer_id))
        return objects.read(lambda customer: customer.get("deleted") is True, found)

    async def delete_customer(self, customer_id: str) -> None:
        """Delete the customer, its cards and its subscriptions, which end at once.

        Stripe keeps the invoices. Raises StripeNotFound when it is deleted already.
        """
        await answered(self._client.customers.delete_async(customer_id))

    async def list_subscriptions(self, customer_id: str) -> Sequence[StripeSubscription]:
        """All of the customer's subscriptions, ended ones too, newest first."""

        def ask(after: str | None) -> Any:
            params: stripe.params.SubscriptionListParams = {
                "customer": customer_id, "status": "all", "limit": _PAGE,
            }  # fmt: skip
            if after:
                params["starting_after"] = after
            return self._client.subscriptions.list_async(params)

        return await self._all(ask, objects.subscription)

    async def list_invoices(
        self, customer_id: str, *, subscription_id: str | None = None
    ) -> Sequence[StripeInvoice]:
        """The customer's invoices, or those of one subscription, newest first."""

        def ask(after: str | None) -> Any:
            params: stripe.params.InvoiceListParams = {"customer": customer_id, "limit": _PAGE}
            if subscription_id:
                params["subscription"] = subscription_id
            if after:
                params["starting_after"] = after
            return self._client.invoices.list_async(params)

        return await self._all(ask, objects.invoice)

    async def get_price(self, price_id: str) -> StripePrice:
        """The price. Raises StripeNotFound."""
        return objects.read(
            objects.price, await answered(self._client.prices.retrieve_async(price_id))
        )

    async def create_checkout(
        self,
        *,
        customer_id: str,
        user_id: str,
        price_id: str,
        terms: str,
        trial_end: datetime | None,
        success_url: str,
        cancel_url: str,
        idempotency_key: str,
    ) -> StripeCheckout:
        """A page of Stripe's where this customer can buy this price.

        `terms` says what is to be bought, to know the session again by.
        """
        details: stripe.params.checkout.SessionCreateParamsSubscriptionData = {
            "metadata": {USER_KEY: user_id}
        }
        if trial_end is not None:
            details["trial_end"] = int(trial_end.timestamp())
        asked = self._client.checkout.sessions.create_async(
            {
                "mode": "subscription",
                "customer": customer_id,
                "client_reference_id": user_id,
                "line_items": [{"price": price_id, "quantity": 1}],
                "metadata": {objects.TERMS_KEY: terms},
                "subscription_data": details,
                "success_url": success_url,
                "cancel_url": cancel_url,
            },
            _key(idempotency_key),
        )
        return objects.read(objects.checkout, await answered(asked))

    async def list_checkouts(self, customer_id: str) -> Sequence[StripeCheckout]:
        """The customer's newest checkout sessions, at most a hundred, newest first."""
        asked = self._client.checkout.sessions.list_async({"customer": customer_id, "limit": _PAGE})
        found = await answered(asked)
        return objects.read(lambda page: [objects.checkout(one) for one in page["data"]], found)

    async def get_checkout(self, session_id: str) -> StripeCheckout:
        """The checkout session. Raises StripeNotFound."""
        asked = self._client.checkout.sessions.retrieve_async(session_id)
        return objects.read(objects.checkout, await answered(asked))

    async def expire_checkout(self, session_id: str) -> None:
        """Let nobody buy by this session any more. Raises StripeError if somebody has."""
        await answered(
            self._client.checkout.sessions.expire_async(
                session_id, {}, _key(f"expire:{session_id}")
            )
        )

    async def create_portal(
        self, *, customer_id: str, return_url: str, idempotency_key: str
    ) -> str:
        """The address of Stripe's portal for this customer."""
        asked = self._client.billing_portal.sessions.create_async(
            {"customer": customer_id, "return_url": return_url}, _key(idempotency_key)
        )
        return objects.read(objects.address, await answered(asked))

    async def preview_price(self, bought: StripeSubscription, price_id: str) -> StripePreview:
        """The invoice that changing the subscription to this price would make now."""
        asked = self._client.invoices.create_preview_async(
            {
                "customer": bought.customer_id,
                "subscription": bought.id,
                "subscription_details": {
                    "items": [{"id": bought.item_id, "price": price_id}],
                    "proration_behavior": "always_invoice",
                },
            }
        )
        return objects.read(objects.preview, await answered(asked))

    async def change_price(
        self,
        bought: StripeSubscription,
        price_id: str,
        *,
        proration_at: int,
        idempotency_key: str,
    ) -> None:
        """Change the subscription to this price and charge the difference at once.

        Raises PaymentDeclined, and then nothing is changed.
        """
        await answered(
            self._client.subscriptions.update_async(
                bought.id,
                {
                    "items": [{"id": bought.item_id, "price": price_id}],
                    "proration_behavior": "always_invoice",
                    "proration_date": proration_at,
                    "payment_behavior": "error_if_incomplete",
                },
                _key(idempotency_key),
            )
        )

    async def set_ending(
        self, bought: StripeSubscription, *, is_ending: bool, idempotency_key: str
    ) -> None:
        """Let the subscription end with its period, or go on."""
        wish: stripe.params.SubscriptionUpdateParams = {"cancel_at_period_end": is_ending}
        if bought.ends_on_a_day and not is_ending:
            wish = {"cancel_at": ""}  # Stripe takes one of the two
        await answered(
            self._client.subscriptions.update_async(bought.id, wish, _key(idempotency_key))
        )

    async def _all(
        self, ask: Callable[[str | None], Any], reader: Callable[[objects.Object], One]
    ) -> Sequence[One]:
        """Every object of a list, page after page."""
        found: list[One] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            page = await answered(ask(after))
            found += objects.read(lambda page: [reader(one) for one in page["data"]], page)
            after = objects.read(_last_of_more, page)
            if after is None:
                break
        return found


def _last_of_more(page: objects.Object) -> str | None:
    return objects.identifier(page["data"][-1]) if page.get("has_more") else None


def _customer(found: objects.Object) -> tuple[int, str]:
    return int(found["created"]), objects.identifier(found)
