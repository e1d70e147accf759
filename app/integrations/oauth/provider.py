"""A provider that says who somebody is, in our terms."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Attempt:
    """What binds a provider's answer to the browser that asked: three random values."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back with the browser. `issuer` is the `iss` of RFC 9207, if there was one."""

    code: str
    issuer: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is. (`provider`, `subject`) is one person for ever; an address may change.

    `is_verified`: the provider says that the address is this person's.
    """

    kind: Literal["oauth", "oidc"]
    provider: str
    subject: str
    email: str | None
    is_verified: bool
    name: str | None


class Provider(Protocol):
    """Asks one provider. Every method raises a ProviderError when that does not go well."""

    @property
    def name(self) -> str:
        """How our addresses call it: `github`, `google`, `oidc`."""

    @property
    def label(self) -> str:
        """How people call it."""

    @property
    def stored_name(self) -> str:
        """How the identities that it vouches for are stored."""

    async def authorization_url(self, attempt: Attempt) -> str:
        """Where to send the browser."""

    async def identify(self, answer: Answer, attempt: Attempt, *, now: datetime) -> Identity:
        """Who came back. `now` is the clock that decides whether a proof has expired."""
