"""Every setting, read once from the environment and `.env`.

The names and defaults are the contract in the README's table. Nothing else in the
code reads `os.environ`.
"""

import os
import re
from email.utils import parseaddr
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from app.core import oauth_settings

ROOT = Path(__file__).resolve().parents[2]
"""The project's root, where `alembic.ini`, `plans.toml` and `assets/` lie."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_PLAIN_URL = re.compile(r"[!-~]+")  # printable ASCII: nothing that must be encoded first

SHORTEST_SECRET_KEY = 32
"""Characters; of a shorter one nobody can say that it was not guessed."""

LOOPBACK_NAMES = oauth_settings.LOOPBACK_NAMES


class Settings(oauth_settings.OAuthSettings):
    """The operator's choices. A wrong one fails here, at start, by its name."""

    model_config = SettingsConfigDict(
        # ENV_FILE lets the tests run untouched by a developer's own .env
        env_file=os.environ.get("ENV_FILE", ROOT / ".env"),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = Field(default="", validate_default=True)
    var_dir: Path = ROOT / "var"
    database_url: str | None = None
    database_direct_url: str | None = None
    redis_url: str | None = None
    secret_key: str | None = None
    smtp_url: str | None = None
    mail_from: str = "Latchkey <no-reply@localhost>"
    stripe_secret_key: str | None = None
    stripe_webhook_secret: str | None = None
    stripe_api_base: str | None = None
    billing_sandbox: Literal["auto", "on"] = "auto"
    plans_file: Path = ROOT / "plans.toml"
    api_app: str = "app.screening.api:api"
    api_upstream: str | None = None
    api_openapi: Path | None = None
    record_bodies: Literal["redacted", "off", "full"] = "redacted"
    max_body_bytes: int = Field(default=1024 * 1024, gt=0)
    root_keys: str | None = None
    trusted_proxy_hops: int = Field(default=0, ge=0)
    watchlists: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("public_url")
    @classmethod
    def _origin_only(cls, value: str, info: ValidationInfo) -> str:
        # a PORT that is wrong itself is reported as such, and is not here
        parts = urlsplit(value or f"http://localhost:{info.data.get('port', 8000)}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be like https://api.example.com")
        if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
            raise ValueError("must be an origin only, without path, query or user")
        default_port = {"http": 80, "https": 443}[parts.scheme]
        port = "" if parts.port in {None, default_port} else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}{port}"

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _postgresql_only(cls, value: str | None) -> str | None:
        try:
            is_known = not value or value.startswith(("postgresql://", "postgres://"))
            conninfo_to_dict(value or "")
        except psycopg.ProgrammingError:
            is_known = False
        if not is_known:
            # libpq's own words would repeat the address, password and all
            raise ValueError(
                "must be like postgresql://user:password@host:5432/name, with special "
                "characters percent-encoded"
            )
        return value

    @field_validator("secret_key")
    @classmethod
    def _no_key_is_empty(cls, value: str | None) -> str | None:
        if value is not None and not all(key.strip() for key in value.split(",")):
            raise ValueError("must be one key, or several with commas between; none may be empty")
        return value

    @field_validator("api_upstream")
    @classmethod
    def _http_server_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _is_http_server(value):
            raise ValueError(
                "must be like https://api.example.com or http://10.0.0.7:8080/base, without user, "
                "query or fragment, and in ASCII"
            )
        return value.rstrip("/")

    @field_validator("root_keys")
    @classmethod
    def _digests_only(cls, value: str | None) -> str | None:
        listed = _listed(value)
        if any(one.startswith("lk_") for one in listed):
            raise ValueError(
                "holds a key itself, and is to hold only its SHA-256. The key may have been read "
                "here: make another with `python -m app keys root`"
            )
        if not all(_SHA256.fullmatch(one) for one in listed):
            raise ValueError(
                "must be SHA-256s of root keys, 64 hexadecimal digits each, separated by commas, "
                "as `python -m app keys root` prints them"
            )
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server_only(cls, value: str | None) -> str | None:
        if value is not None and not _is_mail_server(value):
            raise ValueError("must be like smtp://user:password@mail.example.com:587")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must be like redis://host:6379/0")
        return value

    @model_validator(mode="after")
    def _one_api(self) -> "Settings":
        if self.api_upstream and "api_app" in self.model_fields_set:
            raise ValueError(
                "API_APP and API_UPSTREAM are both set: keep the one of the API that is to be "
                "metered, and take the other away"
            )
        if self.api_openapi and not self.api_upstream:
            raise ValueError(
                "API_OPENAPI is the description of the API at API_UPSTREAM: set that too. "
                "An API_APP describes itself"
            )
        return self

    @field_validator("stripe_api_base")
    @classmethod
    def _stripe_server_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _is_http_server(value):
            raise ValueError("must be like https://api.stripe.com, without user, query or fragment")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _one_biller(self) -> "Settings":
        if self.stripe_secret_key and self.billing_sandbox == "on":
            raise ValueError(
                "BILLING_SANDBOX is on, and STRIPE_SECRET_KEY is set: take one of them away. The "
                "sandbox takes Stripe's place, and no money moves there"
            )
        return self

    @model_validator(mode="after")
    def _stripe_is_whole(self) -> "Settings":
        if self.stripe_secret_key and not self.stripe_webhook_secret:
            raise ValueError(
                "STRIPE_WEBHOOK_SECRET is required with STRIPE_SECRET_KEY: make an endpoint for "
                "PUBLIC_URL/webhooks/stripe in Stripe's dashboard, and copy its whsec_… secret"
            )
        if self.stripe_api_base and not self.stripe_secret_key:
            raise ValueError("STRIPE_API_BASE needs the STRIPE_SECRET_KEY that its server takes")
        return self

    @model_validator(mode="after")
    def _production_is_explicit(self) -> "Settings":
        if not self.is_https:
            return self
        if not self.secret_key:
            raise ValueError(
                "SECRET_KEY is required when PUBLIC_URL is https: "
                "set it to a long random value, for example from `openssl rand -hex 32`"
            )
        if any(len(key) < SHORTEST_SECRET_KEY for key in self.secret_keys):
            raise ValueError(
                f"SECRET_KEY is too short: each of its keys needs {SHORTEST_SECRET_KEY} characters "
                "when PUBLIC_URL is https. `openssl rand -hex 32` makes a good one"
            )
        return self

    @cached_property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys in SECRET_KEY: the first one encrypts, the others only decrypt."""
        return tuple(key.strip() for key in (self.secret_key or "").split(",") if key.strip())

    @cached_property
    def api_name(self) -> str:
        """The API that is metered, in words: an upstream's URL, or `module:attribute`."""
        return self.api_upstream or self.api_app

    @cached_property
    def root_key_digests(self) -> frozenset[bytes]:
        """SHA-256 of each root key."""
        return frozenset(bytes.fromhex(one) for one in _listed(self.root_keys))

    @cached_property
    def operator_address(self) -> str:
        """Whom customers write to: the address in MAIL_FROM, which all mail comes from."""
        return parseaddr(self.mail_from)[1]

    @cached_property
    def is_https(self) -> bool:
        """Whether the world reaches us over TLS."""
        return self.public_url.startswith("https://")

    @cached_property
    def public_host(self) -> str:
        """The name, without port, under which the world reaches us."""
        return urlsplit(self.public_url).hostname or ""

    @cached_property
    def own_url(self) -> str:
        """How this machine reaches itself: where it listens, past proxies and TLS."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  # it is looked for, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @cached_property
    def has_sandbox(self) -> bool:
        """Whether the sandbox stands in for Stripe, on one's own machine or asked for by name."""
        return not self.stripe_secret_key and (self.billing_sandbox == "on" or self.is_local)

    @cached_property
    def is_local(self) -> bool:
        """Whether only this machine can reach us: then the rehearsal pages exist."""
        return self.host in LOOPBACK_NAMES and self.public_host in LOOPBACK_NAMES


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The one Settings of this process. Raises pydantic.ValidationError naming what is wrong."""
    return Settings()


def _listed(value: str | None) -> list[str]:
    return [one.strip() for one in (value or "").split(",") if one.strip()]


def _is_mail_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        return False
    return parts.scheme in {"smtp", "smtps"} and has_place


def _is_http_server(url: str) -> bool:
    if not _PLAIN_URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or an address is not closed
        return False
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    dots = {".", ".."}.intersection(parts.path.split("/"))
    return parts.scheme in {"http", "https"} and has_place and is_plain and not dots
