"""What the inner app knows of the caller."""

import pytest

from app.metering.caller import Caller


def a_caller(kept: list[int]) -> Caller:
    return Caller(key_id="key", tier="free", owner_id="owner", keep=kept.append)


def test_reservations_are_passed_on() -> None:
    kept: list[int] = []
    a_caller(kept).reserve(3)
    a_caller(kept).reserve(0)
    assert kept == [3, 0]


@pytest.mark.parametrize("units", [-1, 2**31, 1.5, "1", True, None])
def test_what_is_no_count_cannot_be_reserved(units: object) -> None:
    with pytest.raises(ValueError, match="units"):
        a_caller([]).reserve(units)  # type: ignore[arg-type]  # that is the point
