"""The account's plan, its use and its invoices, as the billing page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import reflex as rx
from reflex_base.event import EventSpec

from app.billing.invoices import InvoiceRow, list_invoices
from app.billing.overview import BillingOverview, get_overview
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.flows.trial_conversion import Converted
from app.ui.components.kinds import Tone
from app.ui.figures import amount, day
from app.ui.guard import signed_in
from app.ui.pages.plan_choice import list_unsold
from app.ui.plan_words import TRIAL, PlanView, payment_alert, plan_view
from app.ui.state import PortalState
from app.ui.trial_words import converted_words
from app.usage.quota import get_quota_use

OPEN = "open"
_STATUSES: dict[str, tuple[str, Tone]] = {
    "paid": ("Paid", "ok"),
    OPEN: ("Open", "warn"),
    "draft": ("Draft", "neutral"),
    "void": ("Void", "neutral"),
    "uncollectible": ("Not paid", "bad"),
}

CREDIT: tuple[str, Tone] = ("Credit", "neutral")
"""Of a change to a smaller plan: kept for the next invoices."""


@dataclass(frozen=True)
class InvoiceView:
    """An invoice as the table shows it. The addresses are Stripe's; "" where it gives none."""

    number: str
    at: str
    day: str
    amount: str
    status: str
    tone: Tone
    hosted_url: str
    pdf_url: str
    is_open: bool


class BillingState(PortalState):
    """The plan and its use from our tables, and the invoices from Stripe."""

    is_loaded: bool = False
    plan: PlanView = PlanView()
    unsold: list[str] = []
    message: str = ""
    has_new_keys: bool = False
    invoices: list[InvoiceView] = []
    has_invoices: bool = False
    open_invoice_url: str = ""
    invoices_problem: str = ""
    # what the next page load says: a message, and whether there are new live keys
    _left_message: tuple[str, bool] = ("", False)

    @signed_in
    async def enter(self) -> None:
        """Begin the page anew, with the message that another page load has left for it."""
        self.message, self.has_new_keys = self._left_message
        self._left_message = ("", False)
        self.unsold = list_unsold()
        await self._load()

    @signed_in
    async def refresh(self, now: str = "") -> EventSpec | None:
        """Catch up with Stripe's events and with other tabs; new invoices come with a change."""
        known = _bought(self.plan)
        await self._load()
        return None if _bought(self.plan) == known else BillingState.load_invoices()

    @signed_in
    @rx.event(background=True)
    async def load_invoices(self) -> None:
        """Ask Stripe for the invoices; what was there stays when it does not answer."""
        user = self._require_user()
        try:
            found = await list_invoices(user.user_id)
        except LatchkeyError as error:
            async with self:
                self.invoices_problem = error.detail
            return
        async with self:
            self.invoices = [_invoice(row) for row in found]
            self.has_invoices, self.invoices_problem = True, ""
            self.open_invoice_url = _open_invoice_url(self.invoices)

    async def _load(self) -> None:
        user = self._require_user()
        async with unit_of_work() as session:
            overview = await get_overview(session, user.user_id)
            use = await get_quota_use(session, user.user_id)
        self._show(overview)
        plan = plan_view(overview, use)
        # every few seconds: what has not changed is not sent again
        if plan != self.plan:
            self.plan = plan
        self.is_loaded = True

    def _show(self, overview: BillingOverview) -> None:
        alert = payment_alert(overview)
        if alert != self.payment_alert:
            self.payment_alert = alert

    async def _welcome(self, converted: Sequence[Converted]) -> None:
        """Have the page load that follows say what was bought and converted."""
        await self._load()
        # the rest of a trial goes before the first payment
        done = "Done" if self.plan.status == TRIAL else "Paid"
        words = f"{done}. You are on {self.plan.name} now. {converted_words(converted)}"
        self._left_message = words.strip(), any(one.keys for one in converted)

    async def _tell(self, message: str) -> None:
        """Say what was done, beside the plan as it is now."""
        self.message, self.has_new_keys = message, False
        await self._load()


def _bought(plan: PlanView) -> tuple[str, ...]:
    """What of a plan changes with an invoice."""
    return plan.tier, plan.interval, plan.status, plan.note_at


def _open_invoice_url(invoices: Sequence[InvoiceView]) -> str:
    """Where the newest open invoice is paid; "" when there is none, or it has no page."""
    return next((one.hosted_url for one in invoices if one.is_open and one.hosted_url), "")


def _invoice(row: InvoiceRow) -> InvoiceView:
    word, tone = _STATUSES.get(row.status, (row.status.capitalize(), "neutral"))
    if row.amount_cents < 0:
        word, tone = CREDIT
    return InvoiceView(
        number=row.number or "Draft",
        at=row.created_at.isoformat(),
        day=day(row.created_at),
        amount=amount(row.amount_cents, row.currency),
        status=word,
        tone=tone,
        hosted_url=row.hosted_url or "",
        pdf_url=row.pdf_url or "",
        is_open=row.status == OPEN,
    )
