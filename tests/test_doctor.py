"""What the doctor says of the API that is metered."""

import asyncio
from pathlib import Path

import pytest

from app import doctor
from app.core import secret_key
from app.core.settings import Settings
from tests.api.served import served
from tests.issuer.fake import FakeIssuer
from tests.issuer.real import issuer_settings
from tests.metering.upstream import UpstreamServer


async def finding(subject: str, settings: Settings) -> doctor.Finding:
    [found] = [one for one in await doctor.examine(settings) if one.subject == subject]
    return found


@pytest.fixture(autouse=True)
def one_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is looked at by other tests, and would be started here."""

    async def well(settings: Settings) -> str:
        return "not looked at"

    monkeypatch.setattr(doctor, "_check_database", well)
    monkeypatch.setattr(doctor, "_check_schema", well)


async def test_upstream_that_answers_is_well() -> None:
    async with UpstreamServer().running() as upstream:
        found = await finding("API_UPSTREAM", Settings(api_upstream=upstream.url))
    assert (found.is_ok, found.words) == (True, f"{upstream.url} answers")


async def test_upstream_that_is_away_is_named_with_the_remedy() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    found = await finding("API_UPSTREAM", Settings(api_upstream=f"http://127.0.0.1:{port}"))
    assert not found.is_ok
    assert found.words.endswith("Start that server, or mend API_UPSTREAM.")


async def test_upstream_without_tls_is_not_taken_for_one_with_it() -> None:
    async with UpstreamServer(answer=b"").running() as upstream:
        url = upstream.url.replace("http:", "https:")
        found = await finding("API_UPSTREAM", Settings(api_upstream=url))
    assert not found.is_ok


async def test_openapi_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text("openapi: 3.1.0")
    settings = Settings(api_upstream="http://127.0.0.1:1", api_openapi=path)
    found = await finding("API_OPENAPI", settings)
    assert (found.is_ok, found.words.partition(" ")[0]) == (False, f"API_OPENAPI={path}")


async def test_without_an_upstream_the_app_is_looked_at() -> None:
    settings = Settings()
    assert (await finding("API_APP", settings)).words == "app.screening.api:api"
    assert (await finding("API_UPSTREAM", settings)).words == "not set: API_APP is metered"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"secret_key": "k" * 32}, "set"),
        (
            {"secret_key": f"{'k' * 32},short"},
            "set, with 1 old for reading, too short for a public machine",
        ),
        ({}, "not set: one is made at start, in "),
    ],
)
async def test_secret_key_is_looked_at_and_never_shown(
    tmp_path: Path, values: dict[str, str], words: str
) -> None:
    found = await finding("SECRET_KEY", Settings(var_dir=tmp_path / "var", **values))
    assert found.is_ok
    assert found.words.removesuffix(str(tmp_path / "var" / "secret_key")) == words
    assert not (tmp_path / "var").exists()


async def test_made_secret_key_is_told_to_be_shared_where_machines_may_share_a_database(
    tmp_path: Path,
) -> None:
    secret_key.make_cipher(Settings(var_dir=tmp_path), "test")
    alone = await finding("SECRET_KEY", Settings(var_dir=tmp_path))
    shared = await finding(
        "SECRET_KEY", Settings(var_dir=tmp_path, database_url="postgresql://h/d")
    )
    assert alone.words == f"not set: {tmp_path / 'secret_key'} is used"
    assert shared.words == f"{alone.words}. Every machine on this database needs the same"


async def test_spoilt_secret_key_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("short")
    found = await finding("SECRET_KEY", Settings(var_dir=tmp_path))
    assert not found.is_ok
    assert "Put back what it held" in found.words


async def test_issuer_that_answers_is_well_and_the_callback_to_register_is_told() -> None:
    fake = FakeIssuer()
    async with served(fake) as url:
        fake.serve_at(url)
        found = await finding("OAUTH_OIDC", Settings(**issuer_settings(url)))
        fake.serve_at(url, issuer=f"{url}/")
        misnamed = await finding("OAUTH_OIDC", Settings(**issuer_settings(url)))
        fake.answers.clear()
        strange = await finding("OAUTH_OIDC", Settings(**issuer_settings(url)))
    callback = "http://localhost:8000/auth/oauth/oidc/callback"
    assert (found.is_ok, found.words) == (
        True,
        f"{url} answers; the callback address to register is {callback}",
    )
    assert not misnamed.is_ok
    assert misnamed.words.endswith(
        "names another issuer. Start that server, or mend OAUTH_OIDC_ISSUER."
    )
    assert not strange.is_ok
    assert strange.words.startswith(f"{url} does not answer as an OpenID provider does. ")


async def test_provider_that_is_not_set_has_no_button() -> None:
    for subject in ("OAUTH_GITHUB", "OAUTH_GOOGLE", "OAUTH_OIDC"):
        assert (await finding(subject, Settings())).words == "not set: no button"
    github = Settings(oauth_github_client_id="id", oauth_github_client_secret="secret")
    words = (await finding("OAUTH_GITHUB", github)).words
    assert words.endswith("http://localhost:8000/auth/oauth/github/callback")
    assert "secret" not in words
