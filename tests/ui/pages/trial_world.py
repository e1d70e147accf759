"""The trial pages' states without a browser, on real tables."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from reflex.state import State
from reflex_base.event import EventHandler

from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.models import BillingAccount, TrialWorkspace, User
from app.ui.pages.conversion_state import ConversionState
from app.ui.pages.trial_state import TrialState
from app.ui.pages.trials_state import TrialsState
from tests.factories import make_subscription, make_trial_key, make_user, make_workspace
from tests.ui.pages.people import sign_in

PageState = TypeVar("PageState", bound=State)


class TrialPages:
    """The pages of one customer. `shown` is what was sent to the browser past the state."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, user: User) -> None:
        self.user = user
        self.shown: list[tuple[str, str]] = []
        self._root = State(_reflex_internal_init=True)
        sign_in(monkeypatch, user)

        async def show_once(state: State, var: str, value: str) -> None:
            self.shown.append((var, value))

        monkeypatch.setattr("app.ui.state.PortalState._show_once", show_once)

    async def open(self, address: str) -> None:
        """Load the page at this address."""
        self._root._update_router_vars({"asPath": address}, {})
        if address.partition("?")[0] == "/trials/":
            await self.call(TrialsState.enter)
        else:
            await self.call(TrialState.enter)
            await self.call(ConversionState.enter)

    async def state(self, kind: type[PageState]) -> PageState:
        return await self._root.get_state(kind)

    async def call(self, handler: Any, *args: Any) -> Any:
        """Call an event handler, such as `TrialState.refresh`, to its end."""
        assert isinstance(handler, EventHandler)
        name = handler.fn.__qualname__.partition(".")[0]
        kinds = {kind.__name__: kind for kind in (TrialsState, TrialState, ConversionState)}
        result = handler.fn(await self.state(kinds[name]), *args)
        return await result if isinstance(result, Awaitable) else result


async def make_trial(
    owner: User, *, left: timedelta = timedelta(days=9, minutes=1), keys: int = 0, **overrides: Any
) -> TrialWorkspace:
    """A trial named Acme with so much time left, and so many active keys."""
    values = {"name": "Acme", "slug": "acme", "expires_at": utc_now() + left}
    async with unit_of_work() as session:
        trial = await make_workspace(session, owner, **{**values, **overrides})
        for number in range(keys):
            await make_trial_key(session, trial, label=f"key {number + 1}")
    return trial


async def make_customer(**overrides: Any) -> User:
    async with unit_of_work() as session:
        return await make_user(session, **overrides)


async def pay_for(user: User, tier: str, **overrides: Any) -> None:
    """Give the account a plan."""
    async with unit_of_work() as session:
        await make_subscription(session, user, **overrides)
        session.add(BillingAccount(user_id=user.id, tier=tier))
