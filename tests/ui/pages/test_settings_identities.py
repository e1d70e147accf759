"""The providers in the settings: what is connected, what could be, and taking one away."""

from collections.abc import Callable
from typing import Any

import pytest

from app.accounts.identities import list_identities
from app.core.errors import NotFound
from app.core.settings import Settings
from app.ui.pages import settings_identities
from app.ui.pages.settings_identities import IdentitiesState, IdentityRow, identities_section
from tests.conftest import UnitOfWork
from tests.factories import make_identity, make_user
from tests.issuer.real import issuer_settings
from tests.ui.pages.people import sign_in

ISSUER = "https://login.example.com"


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_up(**values: Any) -> None:
        monkeypatch.setattr(settings_identities, "get_settings", lambda: Settings(**values))

    return set_up


@pytest.fixture
def both(configure: Callable[..., None]) -> None:
    """GitHub and an OpenID provider."""
    github = {"oauth_github_client_id": "id", "oauth_github_client_secret": "secret"}
    configure(**issuer_settings(ISSUER, oauth_oidc_name="Our staff"), **github)


def state() -> IdentitiesState:
    return IdentitiesState(_reflex_internal_init=True)


@pytest.mark.usefixtures("both")
async def test_what_is_connected_comes_before_what_could_be(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with unit_of_work() as session:
        user, other = await make_user(session), await make_user(session)
        mine = await make_identity(session, user, provider=f"oidc:{ISSUER}")
        former = await make_identity(session, user, provider="oidc:https://old.example.com/x")
        await make_identity(session, other)
    sign_in(monkeypatch, user)
    shown = state()
    await shown.enter()
    assert shown.rows == [
        IdentityRow(mine.id, "", "Our staff", "connected"),
        IdentityRow(former.id, "", "old.example.com", "connected"),
        IdentityRow("", "github", "GitHub", "free"),
    ]


async def test_without_a_provider_there_is_nothing(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    configure()
    async with unit_of_work() as session:
        user = await make_user(session)
    sign_in(monkeypatch, user)
    shown = state()
    await shown.enter()
    assert shown.rows == []


@pytest.mark.usefixtures("both")
async def test_disconnecting_says_so_and_what_cannot_go_says_why(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, email_verified=None)
        first = await make_identity(session, user)
        last = await make_identity(session, user, provider=f"oidc:{ISSUER}")
    sign_in(monkeypatch, user)
    shown = state()
    await shown.enter()
    await shown.disconnect(first.id)
    assert shown.message == "GitHub no longer signs in to this account."
    assert [row.status for row in shown.rows] == ["connected", "free"]
    await shown.disconnect(last.id)
    assert (shown.message, shown.problem.startswith("Your address is not verified")) == ("", True)
    async with unit_of_work() as session:
        assert len(await list_identities(session, user.id)) == 1


@pytest.mark.parametrize("aimed", ["", None, 7, ["x"], {"a": 1}, "x" * 10_000])
async def test_identity_that_is_no_ones_is_not_found(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch, aimed: Any
) -> None:
    async with unit_of_work() as session:
        user, other = await make_user(session), await make_user(session)
        theirs = await make_identity(session, other)
    sign_in(monkeypatch, user)
    for identity_id in (aimed, theirs.id):
        shown = state()
        await shown.disconnect(identity_id)
        assert shown.problem == NotFound.default_detail
    async with unit_of_work() as session:
        assert len(await list_identities(session, other.id)) == 1


def test_connecting_is_a_plain_form_and_disconnecting_an_event() -> None:
    drawing = str(identities_section().render())
    assert '"/auth/oauth/"' in drawing
    assert "disconnect" in drawing
