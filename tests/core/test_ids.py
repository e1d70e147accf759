"""Ids of calls: UUIDv7, in the order in which they were made."""

from uuid import UUID

import pytest

from app.core import ids
from app.core.ids import new_call_id

AT_MS = 1_800_000_000_000


def test_ids_of_one_millisecond_are_in_the_order_in_which_they_were_made() -> None:
    made = [new_call_id(AT_MS) for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(UUID(one).version, UUID(one).int >> 80) for one in made} == {(7, AT_MS)}
    assert {UUID(one).variant for one in made} == {"specified in RFC 4122"}
    assert len({one[24:] for one in made}) == len(made)  # the rest is as random as before


def test_id_says_its_time_whatever_was_made_before() -> None:
    later, earlier = new_call_id(AT_MS + 5), new_call_id(AT_MS)
    assert earlier < later
    assert [UUID(one).int >> 80 for one in (later, earlier)] == [AT_MS + 5, AT_MS]


@pytest.mark.parametrize(
    ("newest", "following"),
    [
        ("7abc-9fff-ffffffffffff", "7abc-a000-000000000001"),
        ("7abc-bfff-ffffffffffff", "7abd-8000-000000000001"),
        ("7fff-bfff-000000000abc", "7fff-bfff-000000000abd"),
    ],
)
def test_what_follows_an_id_keeps_version_and_variant(
    monkeypatch: pytest.MonkeyPatch, newest: str, following: str
) -> None:
    time = new_call_id(AT_MS)[:13]
    monkeypatch.setattr(ids, "_newest", f"{time}-{newest}")
    monkeypatch.setattr(ids, "uuid7", lambda **_: UUID(f"{time}-7000-8000-000000000001"))
    assert new_call_id(AT_MS) == f"{time}-{following}"
