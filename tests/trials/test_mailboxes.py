"""Which addresses are one mailbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trials.mailboxes import fold_address


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann@example.com. ", "ann@example.com"),
        ("a.n.n+trial@gmail.com", "ann@gmail.com"),
        ("Ann+1+2@GoogleMail.com", "ann@gmail.com"),
        ("a.nn+x@outlook.com", "a.nn@outlook.com"),
        ("ann+x@hotmail.co.uk", "ann@hotmail.co.uk"),
        ("ann+x@live.com", "ann@live.com"),
        ("ann+x@me.com", "ann@icloud.com"),
        ("a.nn@mac.com", "a.nn@icloud.com"),
        ("a-n_n.+x@pm.me", "ann@proton.me"),
        ("ann@protonmail.com", "ann@proton.me"),
        ("ann+x@fastmail.com", "ann@fastmail.com"),
        ("shop@ann.fastmail.com", "ann@fastmail.com"),
        ("ann-shop@yahoo.com", "ann@yahoo.com"),
        ("an.n@yahoo.com", "an.n@yahoo.com"),
    ],
)
def test_spellings_of_one_mailbox_fold_into_one(address: str, mailbox: str) -> None:
    assert fold_address(address) == mailbox


@pytest.mark.parametrize(
    "address",
    [
        "ann+x@example.com",
        "a.n.n@example.com",
        "ann-x@example.com",
        "ann+x@gmail.com.example.com",
        "ann+x@notgmail.com",
        "shop@ann.example.com",
        "shop@x.ann.fastmail.com",
        "shop@ann.gmail.com",
    ],
)
def test_what_no_provider_ignores_tells_mailboxes_apart(address: str) -> None:
    assert fold_address(address) == address


@pytest.mark.parametrize(
    "address", ["", "@", "no address", "+x@gmail.com", "...@gmail.com", "-@pm.me"]
)
def test_strange_text_is_folded_into_something(address: str) -> None:
    assert "@" in fold_address(address)


domains = st.sampled_from(["gmail.com", "pm.me", "yahoo.com", "x.fastmail.fm", "me.com", "a.com"])


@given(st.text(), domains)
def test_folding_twice_changes_nothing(local: str, domain: str) -> None:
    folded = fold_address(f"{local}@{domain}")
    assert fold_address(folded) == folded
