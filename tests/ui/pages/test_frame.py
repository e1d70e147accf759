"""What stands above every signed-in page."""

import pytest

from app.accounts.sessions import CurrentUser
from app.ui.pages.frame import portal_page
from app.ui.state import PortalState
from tests.conftest import UnitOfWork
from tests.factories import make_user


@pytest.mark.parametrize("is_verified", [True, False])
async def test_who_has_not_verified_their_address_is_told_on_every_page(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch, is_verified: bool
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
    caller = CurrentUser(user.id, "session", user.email, user.name, is_verified=is_verified)
    monkeypatch.setattr("app.ui.state.require_caller", lambda: caller)
    state = PortalState(_reflex_internal_init=True)
    await state.load_user()
    assert state.is_unverified is not is_verified


def test_the_way_to_verify_is_a_plain_form_for_that_very_address() -> None:
    drawing = str(portal_page("Keys", purpose="", active="").render())
    assert '"/auth/email"' in drawing
    assert "is_unverified" in drawing
    assert "Mail me the link" in drawing
