"""What the keys page says of a key that was seen in a URL, or reported."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import update

from app.core.clock import utc_now
from app.keys.exposure import end_exposed, read_sighting
from app.models import ApiKeyMetadata, KeyLeak
from app.ui.pages.keys import keys_page
from app.ui.pages.keys_state import KeysState
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_user
from tests.ui.pages.people import sign_in

SEEN = utc_now().replace(microsecond=0)


@pytest.mark.parametrize(
    ("status", "detail", "is_told"),
    [
        ("active", {}, True),
        ("revoked", {}, False),
        ("pending_verification", {}, False),
        ("active", {"grace_ends_at": utc_now() + timedelta(days=1)}, False),
        ("active", {"expires_at": utc_now() - timedelta(days=1)}, False),
    ],
)
async def test_leak_is_shown_beside_a_key_that_can_be_rotated(
    unit_of_work: UnitOfWork,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    detail: dict[str, Any],
    is_told: bool,
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        key, _ = await make_key(session, user, status=status, detail=detail)
        await make_key(session, user, label="another")
        session.add(KeyLeak(key_id=key.id, first_seen_at=SEEN, last_seen_at=SEEN, times=1))
    sign_in(monkeypatch, user)
    state = KeysState(_reflex_internal_init=True)
    await state.load()
    shown = {row.id: row.is_leaked for row in state.keys}
    assert shown.pop(key.id) is is_told
    assert list(shown.values()) == [False]
    words = (
        f"Test was in a URL, last on {SEEN:%Y-%m-%d at %H:%M} UTC. Others may know it: rotate it."
    )
    assert state.leaked == (words if is_told else "")


async def test_several_leaks_are_told_in_one_sentence_and_go_with_their_keys(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        for hours in (1, 0):
            key, _ = await make_key(session, user)
            seen_at = SEEN - timedelta(hours=hours)
            session.add(KeyLeak(key_id=key.id, first_seen_at=SEEN, last_seen_at=seen_at, times=1))
    sign_in(monkeypatch, user)
    state = KeysState(_reflex_internal_init=True)
    await state.load()
    assert state.leaked.startswith(f"2 keys were in a URL, last on {SEEN:%Y-%m-%d at %H:%M} UTC.")
    async with unit_of_work() as session:
        await session.exec(update(ApiKeyMetadata).values(status="revoked"))
    await state.load()
    assert state.leaked == ""


async def test_key_that_was_reported_is_shown_as_exposed_not_as_replaced(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        reported, secret = await make_key(session, user)
        await make_key(session, user, detail={"grace_ends_at": utc_now() + timedelta(days=1)})
        await end_exposed(session, [read_sighting(secret)], grace=timedelta(days=1))
    sign_in(monkeypatch, user)
    state = KeysState(_reflex_internal_init=True)
    await state.load()
    assert {row.id for row in state.keys if row.is_exposed} == {reported.id}
    assert all(row.grace_ends_at for row in state.keys)
    assert "reported, ends " in str(keys_page())
