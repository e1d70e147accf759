"""Every setting, read once from the environment and `.env`.

The names and defaults are the contract in the README's table. Nothing else in the
code reads `os.environ`.
"""

import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[2]
"""The project's root, where `alembic.ini`, `plans.toml` and `assets/` lie."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Settings(BaseSettings):
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
    public_url: str = ""
    var_dir: Path = ROOT / "var"
    database_url: str | None = None
    database_direct_url: str | None = None
    redis_url: str | None = None
    secret_key: str | None = None
    smtp_url: str | None = None
    mail_from: str = "Latchkey <no-reply@localhost>"
    plans_file: Path = ROOT / "plans.toml"
    api_app: str = "app.screening.api:api"
    record_bodies: Literal["redacted", "off", "full"] = "redacted"
    max_body_bytes: int = Field(default=1024 * 1024, gt=0)
    trusted_proxy_hops: int = Field(default=0, ge=0)
    watchlists: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("public_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
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
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must be like postgresql://user:password@host:5432/name")
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_public_url(cls, values: dict[str, object]) -> dict[str, object]:
        if not values.get("public_url"):
            values["public_url"] = f"http://localhost:{values.get('port') or 8000}"
        return values

    @model_validator(mode="after")
    def _production_is_explicit(self) -> "Settings":
        if self.is_https and not self.secret_key:
            raise ValueError(
                "SECRET_KEY is required when PUBLIC_URL is https: "
                "set it to a long random value, for example from `openssl rand -hex 32`"
            )
        return self

    @cached_property
    def is_https(self) -> bool:
        """Whether the world reaches us over TLS."""
        return self.public_url.startswith("https://")

    @cached_property
    def public_host(self) -> str:
        """The name, without port, under which the world reaches us."""
        return urlsplit(self.public_url).hostname or ""

    @cached_property
    def is_local(self) -> bool:
        """Whether only this machine can reach us: then the rehearsal pages exist."""
        return self.host in LOOPBACK_NAMES and self.public_host in LOOPBACK_NAMES


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The one Settings of this process. Raises pydantic.ValidationError naming what is wrong."""
    return Settings()
