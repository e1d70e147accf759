"""The settings of signing in by a provider, and what must stand together in them."""

from urllib.parse import urlsplit

from pydantic import field_validator, model_validator
from pydantic_settings import BaseSettings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_PAIRS = (
    ("oauth_github_client_id", "oauth_github_client_secret"),
    ("oauth_google_client_id", "oauth_google_client_secret"),
)
_OIDC = ("oauth_oidc_issuer", "oauth_oidc_client_id", "oauth_oidc_client_secret")
_LONGEST_NAME = 40


class OAuthSettings(BaseSettings):
    """Client ids and secrets as the providers give them. A provider without has no button."""

    oauth_github_client_id: str | None = None
    oauth_github_client_secret: str | None = None
    oauth_google_client_id: str | None = None
    oauth_google_client_secret: str | None = None
    oauth_oidc_issuer: str | None = None
    oauth_oidc_client_id: str | None = None
    oauth_oidc_client_secret: str | None = None
    oauth_oidc_name: str | None = None

    @field_validator(*(name for pair in _PAIRS for name in pair), *_OIDC[1:])
    @classmethod
    def _as_providers_give_them(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            # the words must not repeat it: it may be the secret
            raise ValueError("must be copied as the provider shows it: ASCII, without spaces")
        return value

    @field_validator("oauth_oidc_issuer")
    @classmethod
    def _issuer_only(cls, value: str | None) -> str | None:
        # kept as written: an issuer is compared to the letter, its last slash too
        if value is not None and not _is_issuer(value):
            raise ValueError(
                "must be like https://login.example.com, without user, query or fragment; http "
                "only on this machine"
            )
        return value

    @field_validator("oauth_oidc_name")
    @classmethod
    def _short_name_only(cls, value: str | None) -> str | None:
        if value is not None and not (value.isprintable() and len(value) <= _LONGEST_NAME):
            raise ValueError(f"must be a short name for a button, at most {_LONGEST_NAME} letters")
        return value

    @model_validator(mode="after")
    def _providers_are_whole(self) -> "OAuthSettings":
        for names in (*_PAIRS, _OIDC):
            missing = [name.upper() for name in names if not getattr(self, name)]
            if missing and len(missing) < len(names):
                present = next(name.upper() for name in names if name.upper() not in missing)
                raise ValueError(
                    f"{' and '.join(missing)} must be set with {present}: the provider gives them "
                    "together. Set them all, or none"
                )
        if self.oauth_oidc_name and not self.oauth_oidc_issuer:
            raise ValueError("OAUTH_OIDC_NAME names the provider at OAUTH_OIDC_ISSUER: set that")
        return self


def _is_issuer(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or an address is not closed
        return False
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" ?#@\\")
    is_private = parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES
    )
    return has_place and is_plain and is_private
