"""Ids of calls: UUIDv7, in the order in which they were made."""

from uuid import UUID

from app.core.ids import new_call_id

AT_MS = 1_800_000_000_000


def test_ids_of_one_millisecond_are_in_the_order_in_which_they_were_made() -> None:
    made = [new_call_id(AT_MS) for _ in range(2_048)]
    assert made == sorted(set(made))
    assert {(UUID(one).version, UUID(one).int >> 80) for one in made} == {(7, AT_MS)}
    assert {UUID(one).variant for one in made} == {"specified in RFC 4122"}
    assert {str(UUID(one)) for one in made} == set(made)
    assert len({one[19:] for one in made}) == len(made)  # the rest is random


def test_ids_beyond_what_a_millisecond_can_count_are_as_good() -> None:
    made = [new_call_id(AT_MS) for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert {(UUID(one).version, UUID(one).int >> 80) for one in made} == {(7, AT_MS)}


def test_where_a_millisecond_begins_to_count_is_random() -> None:
    starts = {int(new_call_id(AT_MS + n)[15:18], 16) for n in range(1, 100)}
    assert len(starts) > 50  # of 2,048
    assert max(starts) < 2_048


def test_id_says_its_time_whatever_was_made_before() -> None:
    later, earlier = new_call_id(AT_MS + 5), new_call_id(AT_MS)
    assert earlier < later
    assert [UUID(one).int >> 80 for one in (later, earlier)] == [AT_MS + 5, AT_MS]
