"""A signed-in person, for state classes that are tried without a browser."""

import pytest

from app.accounts.sessions import CurrentUser
from app.models import User


def sign_in(monkeypatch: pytest.MonkeyPatch, user: User) -> None:
    """From now on the events of this test are the user's."""
    caller = CurrentUser(user.id, "session", user.email, user.name, is_verified=True)
    monkeypatch.setattr("app.ui.state.require_caller", lambda: caller)
