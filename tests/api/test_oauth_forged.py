"""What a browser sees of a provider that lies, is in trouble, or says no."""

import asyncio

import pytest

from app.models import Session, User
from tests.api.browser import make_settings
from tests.api.oauth_world import begin, query_of, rows, users
from tests.api.served import served
from tests.issuer.fake import CLIENT_ID, FakeIssuer, signed, unsigned
from tests.issuer.real import issuer_settings

CALLBACK = "/auth/oauth/oidc/callback"
NO_ANSWER = "does not answer"


@pytest.fixture
async def lying():
    fake = FakeIssuer()
    async with served(fake) as url:
        fake.serve_at(url)
        yield fake


@pytest.fixture
def settings(tmp_path, lying):
    return make_settings(tmp_path, **issuer_settings(lying.url, oauth_oidc_client_id=CLIENT_ID))


async def assert_refused(unit_of_work, answer, words, status):
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert 'href="/sign-in/?next=' in answer.text
    assert await rows(unit_of_work, User) == []
    assert await rows(unit_of_work, Session) == []


@pytest.mark.parametrize(
    ("sign", "claims"),
    [
        (unsigned, {}),
        (signed, {"iss": "https://evil.example"}),
        (signed, {"nonce": "x" * 43}),
        (signed, {"aud": "another"}),
        (signed, {}),
    ],
    ids=["alg none", "another issuer", "another nonce", "another audience", "honest"],
)
async def test_only_an_honest_token_signs_in(visitor, lying, unit_of_work, sign, claims):
    asked = query_of(await begin(visitor))
    lying.tell(**{"nonce": asked["nonce"], "sign": sign, **claims})
    answer = await visitor.get(CALLBACK, params={"code": "c", "state": asked["state"]})
    if (sign, claims) == (signed, {}):
        assert answer.status_code == 303
        assert await users(unit_of_work) == {"ada@example.com": True}
    else:
        await assert_refused(unit_of_work, answer, "does not prove who you are", 502)


async def test_provider_that_is_down_has_a_page_and_works_once_it_is_back(
    visitor, lying, unit_of_work
):
    description = lying.answers.pop("/.well-known/openid-configuration")
    answer = await visitor.get("/auth/oauth/oidc", params={"next": "/keys/"})
    await assert_refused(unit_of_work, answer, NO_ANSWER, 503)
    assert 'href="/sign-in/?next=%2Fkeys%2F"' in answer.text
    lying.answers["/.well-known/openid-configuration"] = description
    asked = query_of(await begin(visitor))
    # and goes down meanwhile
    answer = await visitor.get(CALLBACK, params={"code": "c", "state": asked["state"]})
    await assert_refused(unit_of_work, answer, NO_ANSWER, 503)


async def test_providers_own_words_are_not_shown(visitor, unit_of_work):
    for error, status, words in (
        ("access_denied", 403, "cancelled or not allowed"),
        ("temporarily_unavailable", 503, NO_ANSWER),
        ("unauthorized_client", 503, "not set up rightly"),
        ("<script>alert(1)</script>", 503, "not set up rightly"),
    ):
        state = query_of(await begin(visitor))["state"]
        query = {"state": state, "error": error, "error_description": "<script>alert(2)</script>"}
        answer = await visitor.get(CALLBACK, params=query)
        await assert_refused(unit_of_work, answer, words, status)
        assert "alert(" not in answer.text


async def test_answer_without_one_code_is_none(visitor, lying, unit_of_work):
    for code in ([], ["a", "b"], [""], ["x" * 5000]):
        state = query_of(await begin(visitor))["state"]
        answer = await visitor.get(CALLBACK, params={"state": state, "code": code})
        await assert_refused(unit_of_work, answer, "cannot be finished", 400)
    assert "/token" not in lying.paths()


async def test_callbacks_at_once_sign_in_once(visitor, lying, unit_of_work):
    # the provider would take the code each time
    asked = query_of(await begin(visitor))
    lying.tell(asked["nonce"])
    query = {"code": "c", "state": asked["state"]}
    answers = await asyncio.gather(*(visitor.get(CALLBACK, params=query) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303, *[400] * 4]
    assert lying.paths().count("/token") == 1
    assert len(await rows(unit_of_work, Session)) == 1
