"""The sandbox's secrets: both sides know them, nobody else, and they follow SECRET_KEY."""

from pathlib import Path

import pytest

from app.core import sandbox_secret
from app.core.settings import Settings


@pytest.fixture
def with_settings(monkeypatch, tmp_path: Path):
    def use(**values: str) -> None:
        settings = Settings(var_dir=tmp_path, **values)
        monkeypatch.setattr(sandbox_secret, "get_settings", lambda: settings)

    return use


def test_secrets_are_the_same_each_time_and_differ_from_each_other(with_settings) -> None:
    with_settings()
    webhook, api = sandbox_secret.sandbox_webhook_secret(), sandbox_secret.sandbox_api_key()
    assert webhook == sandbox_secret.sandbox_webhook_secret()
    assert api == sandbox_secret.sandbox_api_key()
    assert webhook.startswith("whsec_")
    assert api.startswith("sk_test_sandbox")
    assert webhook[-64:] != api[-64:]


def test_secrets_follow_the_first_secret_key(with_settings) -> None:
    seen = set()
    for keys in ("a" * 32, "b" * 32, f"{'b' * 32},{'a' * 32}"):
        with_settings(secret_key=keys)
        seen.add(sandbox_secret.sandbox_webhook_secret())
    assert len(seen) == 2
