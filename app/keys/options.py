"""What a person may choose for a new key, as it comes from a form."""

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from app.core.errors import InvalidRequest

LONGEST_LABEL = 60
MOST_NETWORKS = 50
LIFETIMES = {
    "never": None,
    "30": timedelta(days=30),
    "90": timedelta(days=90),
    "365": timedelta(days=365),
}
"""How long a key may live, by the form's value: for ever, or so many days."""


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """A new key's name, how long it lives (None: until revoked), and from where it works.

    `allowed_ips`: networks in CIDR form; empty means from anywhere.
    """

    label: str
    lifetime: timedelta | None = None
    allowed_ips: tuple[str, ...] = ()


def parse_options(*, label: str, lifetime: str = "never", allowed_ips: str = "") -> KeyOptions:
    """The options from a form's values. Raises InvalidRequest naming the field."""
    if lifetime not in LIFETIMES:
        raise _refusal("lifetime", "Choose one of the offered times.")
    return KeyOptions(
        label=parse_label(label),
        lifetime=LIFETIMES[lifetime],
        allowed_ips=_parse_networks(allowed_ips),
    )


def parse_label(raw: str) -> str:
    """A key's name, its blanks made single. Raises InvalidRequest on field `label`."""
    label = " ".join(raw.split())
    if not label or len(label) > LONGEST_LABEL or not label.isprintable():
        reason = f"Give the key a name of 1 to {LONGEST_LABEL} characters, such as production."
        raise _refusal("label", reason)
    return label


def _parse_networks(raw: str) -> tuple[str, ...]:
    """Addresses and networks, parted by commas or blanks, each once, in CIDR form."""
    words = raw.replace(",", " ").split()
    if len(words) > MOST_NETWORKS:
        raise _refusal("allowed_ips", f"List at most {MOST_NETWORKS} addresses or networks.")
    try:
        networks = [str(ipaddress.ip_network(word, strict=False)) for word in words]
    except ValueError as error:
        reason = "Write addresses like 203.0.113.7 or networks like 203.0.113.0/24."
        raise _refusal("allowed_ips", reason) from error
    return tuple(dict.fromkeys(networks))


def _refusal(field: str, reason: str) -> InvalidRequest:
    return InvalidRequest(reason, fields={field: reason})
