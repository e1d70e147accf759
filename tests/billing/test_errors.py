"""What is kept of an error in words."""

import pytest

from app.billing.errors import BillingBusy, words_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LookupError("one\ntwo"), "one"),
        (LookupError(), "LookupError"),
        (BillingBusy(), BillingBusy().detail),
    ],
)
def test_error_is_one_line_and_never_nothing(error: Exception, words: str) -> None:
    assert words_of(error) == words
