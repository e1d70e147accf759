"""Who somebody is at GitHub, as its API tells."""

import httpx
import pytest
from starlette.responses import Response

from app.core.clock import utc_now
from app.integrations.oauth import Answer, Attempt
from app.integrations.oauth.code_flow import Client
from app.integrations.oauth.errors import CodeRefused, ProviderMisconfigured, ProviderUnavailable
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.github import API, SITE, GitHub
from tests.issuer.fake import FakeGitHub

ATTEMPT = Attempt(state="s" * 43, nonce="n" * 43, verifier="v" * 43)
CLIENT = Client("id", "secret", "https://latchkey.example.com/callback")
PRIMARY = {"email": "ada@example.com", "primary": True, "verified": True, "visibility": None}
SECOND = {"email": "second@example.com", "primary": False, "verified": True}


@pytest.fixture
def fake():
    github = FakeGitHub()
    github.know(SECOND, PRIMARY)
    return github


@pytest.fixture
def github(fake):
    return GitHub(CLIENT, Fetcher(transport=httpx.ASGITransport(fake)))


async def identify(github):
    return await github.identify(Answer("c", None), ATTEMPT, now=utc_now())


async def test_person_is_their_number_and_their_verified_primary_address(fake, github):
    found = await identify(github)
    assert (found.kind, found.provider, found.subject) == ("oauth", "github", "583231")
    assert (found.email, found.is_verified, found.name) == ("ada@example.com", True, "ada")
    (path, form, _), *asked = fake.asked
    assert path == "/login/oauth/access_token"
    assert (form["client_secret"], form["code_verifier"]) == ("secret", ATTEMPT.verifier)
    assert {headers["authorization"] for _, _, headers in asked} == {"Bearer gho_x"}


async def test_browser_is_sent_to_github_with_state_and_pkce(github):
    url = httpx.URL(await github.authorization_url(ATTEMPT))
    assert str(url).startswith(f"{SITE}/login/oauth/authorize?")
    assert url.params["state"] == ATTEMPT.state
    assert url.params["code_challenge_method"] == "S256"
    assert url.params["scope"] == "read:user user:email"
    assert API == "https://api.github.com"


async def test_primary_address_that_is_not_verified_is_not(fake, github):
    fake.know(SECOND, {**PRIMARY, "verified": False}, name="Ada")
    found = await identify(github)
    assert (found.email, found.is_verified, found.name) == ("ada@example.com", False, "Ada")


async def test_person_without_a_primary_address_has_none(fake, github):
    fake.know(SECOND)
    found = await identify(github)
    assert (found.email, found.is_verified) == (None, False)


@pytest.mark.parametrize(
    ("path", "said", "error"),
    [
        ("/login/oauth/access_token", {"error": "bad_verification_code"}, CodeRefused),
        (
            "/login/oauth/access_token",
            {"error": "incorrect_client_credentials"},
            ProviderMisconfigured,
        ),
        ("/login/oauth/access_token", Response("error=x"), ProviderUnavailable),
        ("/user", Response('{"message":"Bad credentials"}', 401), ProviderUnavailable),
        ("/user", {"id": "583231"}, ProviderUnavailable),
        ("/user", {"id": True}, ProviderUnavailable),
        ("/user", [], ProviderUnavailable),
        ("/user/emails", {}, ProviderUnavailable),
        ("/user/emails", Response("[]", 404), ProviderUnavailable),
    ],
)
async def test_trouble_is_named(fake, github, path, said, error):
    fake.answers[path] = said
    with pytest.raises(error) as raised:
        await identify(github)
    assert type(raised.value) is error
