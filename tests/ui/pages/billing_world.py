"""The billing page's states without a browser, and billing services that answer as a test says."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from reflex.state import State
from reflex_base.event import EventHandler
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.overview import BillingOverview
from app.billing.plans import FREE, get_plans
from app.models import User
from app.ui.pages.billing_state import BillingState
from app.ui.pages.checkout_state import CheckoutState
from app.ui.pages.plan_state import PlanState
from tests.ui.pages.people import sign_in

PERIOD_END = datetime(2026, 12, 25, 9, 30, tzinfo=UTC)
PageState = TypeVar("PageState", bound=State)


def make_overview(**overrides: Any) -> BillingOverview:
    """A customer who never bought anything; or with `tier`, one who pays for it by the month."""
    tier = get_plans().get_tier(overrides.pop("tier", FREE))
    values: dict[str, Any] = {
        "tier": tier,
        "interval": None,
        "status": None,
        "access": "free",
        "renews_at": None,
        "ends_at": None,
        "grace_ends_at": None,
        "cancel_at_period_end": False,
        "has_customer": False,
        "is_sandbox": True,
    }
    if tier.id != FREE:
        values |= {
            "interval": "month",
            "status": "active",
            "access": "plan",
            "renews_at": PERIOD_END,
            "has_customer": True,
        }
    return BillingOverview(**{**values, **overrides})


class BillingPage:
    """The page of one customer. `calls` is what the services were asked, in order.

    `overview` is what the tables say; `answers` what a service gives or raises, by its name.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, user: User) -> None:
        self.user = user
        self.overview = make_overview()
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.shown: list[tuple[str, str]] = []
        self._root = State(_reflex_internal_init=True)
        sign_in(monkeypatch, user)
        self._replace(monkeypatch)

    async def open(self, address: str = "/billing/") -> None:
        """Load the page at this address."""
        self._root._update_router_vars({"asPath": address}, {})
        await (await self.billing()).enter()
        await self.call(PlanState.enter)
        await self.call(CheckoutState.enter)

    async def billing(self) -> BillingState:
        return await self._root.get_state(BillingState)

    async def plan(self) -> PlanState:
        return await self._root.get_state(PlanState)

    async def checkout(self) -> CheckoutState:
        return await self._root.get_state(CheckoutState)

    async def call(self, handler: Any, *args: Any) -> Any:
        """Call an event handler, such as `PlanState.resume_plan`, to its end."""
        assert isinstance(handler, EventHandler)
        name = handler.fn.__qualname__.partition(".")[0]
        state = {
            "BillingState": self.billing,
            "PlanState": self.plan,
            "CheckoutState": self.checkout,
        }[name]
        result = handler.fn(await state(), *args)
        return await result if isinstance(result, Awaitable) else result

    def _replace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def get_overview(session: AsyncSession, user_id: str) -> BillingOverview:
            assert user_id == self.user.id
            return self.overview

        async def show_once(state: State, var: str, value: str) -> None:
            self.shown.append((var, value))

        pages = "app.ui.pages"
        monkeypatch.setattr(f"{pages}.billing_state.get_overview", get_overview)
        monkeypatch.setattr("app.ui.state.get_overview", get_overview)
        monkeypatch.setattr(f"{pages}.pricing.get_overview", get_overview)
        monkeypatch.setattr("app.ui.state.PortalState._show_once", show_once)
        monkeypatch.setattr(f"{pages}.billing_state.list_invoices", self._service("list_invoices"))
        monkeypatch.setattr(
            f"{pages}.checkout_state.is_checkout_settled", self._service("is_checkout_settled")
        )
        self.answers["convert_wished"] = []
        monkeypatch.setattr(
            f"{pages}.checkout_state.convert_wished", self._service("convert_wished")
        )
        for name in (
            "start_checkout",
            "preview_change",
            "change_plan",
            "cancel",
            "resume",
            "open_customer_portal",
        ):
            monkeypatch.setattr(f"{pages}.plan_state.{name}", self._service(name))

    def _service(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def service(user_id: str, *args: Any, **options: Any) -> Any:
            self.calls.append((name, user_id, *args, *options.values()))
            answer = self.answers.get(name)
            if callable(answer):
                answer = await answer()
            if isinstance(answer, Exception):
                raise answer
            return answer

        return service


def in_days(days: int) -> datetime:
    """So many days after the period's end."""
    return PERIOD_END + timedelta(days=days)
