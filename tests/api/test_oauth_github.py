"""Signing in by GitHub, through the routes."""

import httpx
import pytest

from app.api import oauth
from app.integrations.oauth.code_flow import Client
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.github import GitHub
from tests.api.browser import make_app, make_settings
from tests.api.oauth_world import begin, identities, query_of, users
from tests.issuer.fake import FakeGitHub

PRIMARY = {"email": "Ada@Example.com", "primary": True, "verified": True}


@pytest.fixture
def fake():
    github = FakeGitHub()
    github.know(PRIMARY, name="Ada Lovelace")
    return github


@pytest.fixture
async def visitor(open_browser, settings, fake):
    """A browser of a portal whose GitHub is the fake one."""
    callback = f"{settings.public_url}/auth/oauth/github/callback"
    fetcher = Fetcher(transport=httpx.ASGITransport(fake))
    provider = GitHub(Client("id", "secret", callback), fetcher)
    app = make_app(settings)
    app.dependency_overrides[oauth.configured] = lambda: {"github": provider}
    return await open_browser(app=app)


async def come_back(visitor, **query):
    state = query_of(await begin(visitor, "github"))["state"]
    return await visitor.get("/auth/oauth/github/callback", params={"state": state, **query})


async def test_person_is_known_by_number_also_under_another_address(visitor, fake, unit_of_work):
    assert (await come_back(visitor, code="c")).status_code == 303
    fake.know({**PRIMARY, "email": "new@example.com"})
    assert (await come_back(visitor, code="c")).status_code == 303
    assert await users(unit_of_work) == {"ada@example.com": True}
    assert await identities(unit_of_work) == {"583231": "ada@example.com"}


async def test_other_person_under_the_same_name_is_another(visitor, fake, unit_of_work):
    await come_back(visitor, code="c")
    fake.know({**PRIMARY, "verified": False}, id=583232)
    assert (await come_back(visitor, code="c")).status_code == 409
    assert await identities(unit_of_work) == {"583231": "ada@example.com"}


async def test_code_that_was_used_has_a_page(visitor, fake, unit_of_work):
    fake.answers["/login/oauth/access_token"] = {
        "error": "bad_verification_code",
        "error_description": "<b>The code passed is incorrect or expired.</b>",
    }
    answer = await come_back(visitor, code="c")
    assert (answer.status_code, "Start again" in answer.text) == (400, True)
    assert "The code passed" not in answer.text
    assert await users(unit_of_work) == {}


async def test_github_is_found_where_it_is_configured(open_browser, tmp_path):
    github = {"oauth_github_client_id": "our-id", "oauth_github_client_secret": "secret"}
    visitor = await open_browser(make_settings(tmp_path, **github))
    url = await begin(visitor, "github")
    assert (url.host, url.path) == ("github.com", "/login/oauth/authorize")
    asked = query_of(url)
    assert asked["redirect_uri"] == "http://localhost:8000/auth/oauth/github/callback"
    assert (asked["client_id"], "nonce" in asked) == ("our-id", False)
