"""An OpenID provider, or somebody in its place, that lies; what it says proves nothing."""

import asyncio
import time
from datetime import timedelta

import httpx
import pytest
from starlette.responses import Response

from app.core.clock import utc_now
from app.integrations.oauth import Answer, Attempt
from app.integrations.oauth.code_flow import Client
from app.integrations.oauth.errors import (
    CodeRefused,
    IdentityNotProven,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from app.integrations.oauth.fetching import MAX_ANSWER_BYTES, Fetcher
from app.integrations.oauth.oidc import OpenIdProvider
from tests.api.served import served
from tests.issuer.fake import (
    CLIENT_ID,
    NEXT_KEY,
    OTHER_KEY,
    FakeIssuer,
    signed,
    signed_by_public_key,
    unsigned,
)

ISSUER = "https://login.example.com"
ATTEMPT = Attempt(state="s" * 43, nonce="n" * 43, verifier="v" * 43)
CLIENT = Client(CLIENT_ID, "secret", "https://latchkey.example.com/callback")
NOW = int(time.time())


@pytest.fixture
def fake():
    issuer = FakeIssuer()
    issuer.serve_at(ISSUER)
    return issuer


def make_provider(fake, *, name="oidc", **options):
    fetcher = Fetcher(**(options or {"transport": httpx.ASGITransport(fake)}))
    return OpenIdProvider(name, "Ours", f"oidc:{fake.url}", fake.url, CLIENT, fetcher)


@pytest.fixture
def provider(fake):
    return make_provider(fake)


async def identify(provider, *, issuer=None, now=None):
    return await provider.identify(Answer("c", issuer), ATTEMPT, now=now or utc_now())


async def test_honest_provider_is_believed(fake, provider):
    # the control: without it, the refusals below would prove nothing
    fake.tell(ATTEMPT.nonce)
    found = await identify(provider)
    assert (found.provider, found.subject) == (f"oidc:{ISSUER}", "ada-1")
    assert (found.email, found.is_verified) == ("ada@example.com", True)
    [(form, headers)] = [(form, headers) for path, form, headers in fake.asked if path == "/token"]
    assert form == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": CLIENT.redirect_uri,
        "code_verifier": ATTEMPT.verifier,
    }
    assert headers["authorization"].startswith("Basic ")


async def test_client_proves_itself_as_the_provider_wants(fake, provider):
    fake.serve_at(ISSUER, token_endpoint_auth_methods_supported=["client_secret_post"])
    fake.tell(ATTEMPT.nonce)
    await identify(provider)
    [form] = [form for path, form, _ in fake.asked if path == "/token"]
    assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, "secret")


LIES = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "issuer with a slash": {"iss": f"{ISSUER}/"},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "a list of other audiences": {"aud": ["another", "more"]},
    "several audiences and no azp": {"aud": [CLIENT_ID, "another"]},
    "issued to another client": {"azp": "another"},
    "several audiences, issued to another": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "a list of nonces": {"nonce": [ATTEMPT.nonce, "x"]},
    "expired": {"exp": NOW - 120},
    "no expiry": {"exp": None},
    "an expiry that is no number": {"exp": "tomorrow"},
    "an expiry that never comes": {"exp": float("nan")},
    "issued long ago": {"iat": NOW - 3600},
    "issued in the future": {"iat": NOW + 3600},
    "no issuing": {"iat": None},
    "not valid yet": {"nbf": NOW + 3600},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "a subject without end": {"sub": "x" * 256},
    "a subject that no database keeps": {"sub": "a\0b"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_token_that_lies_proves_nothing(fake, provider, lie):
    fake.tell(**{"nonce": ATTEMPT.nonce, **LIES[lie]})
    with pytest.raises(IdentityNotProven):
        await identify(provider)


def with_other_claims(claims):
    head, _, signature = signed(claims).split(".")
    return ".".join([head, unsigned({**claims, "sub": "victim"}).split(".")[1], signature])


SIGNATURES = {
    "none": unsigned,
    "HS256 by the public key": signed_by_public_key,
    "another's key by the same name": lambda claims: signed(claims, OTHER_KEY),
    "a key that is not published": lambda claims: signed(claims, NEXT_KEY),
    "cut off": lambda claims: signed(claims).rpartition(".")[0] + ".",
    "not a token": lambda claims: "a.b.c",
    "not even parts": lambda claims: "abc",
    "claims that are changed": with_other_claims,
}


@pytest.mark.parametrize("signature", SIGNATURES)
async def test_signature_that_is_not_the_issuers_proves_nothing(fake, provider, signature):
    fake.tell(ATTEMPT.nonce, SIGNATURES[signature])
    with pytest.raises(IdentityNotProven):
        await identify(provider)


async def test_small_difference_of_clocks_is_no_lie(fake, provider):
    now = int(time.time())
    fake.tell(ATTEMPT.nonce, exp=now - 30, iat=now + 30)
    assert (await identify(provider)).subject == "ada-1"


async def test_the_clock_that_decides_is_the_one_that_is_given(fake, provider):
    fake.tell(ATTEMPT.nonce)
    with pytest.raises(IdentityNotProven):
        await identify(provider, now=utc_now() + timedelta(minutes=7))


async def test_new_key_of_the_issuer_is_fetched_but_not_again_and_again(
    fake, provider, monkeypatch
):
    fake.tell(ATTEMPT.nonce)
    await identify(provider)
    fake.publish(NEXT_KEY)
    fake.tell(ATTEMPT.nonce, lambda claims: signed(claims, NEXT_KEY))
    for _ in range(2):
        with pytest.raises(IdentityNotProven):
            await identify(provider)
    assert fake.paths().count("/jwks") == 1
    monkeypatch.setattr("app.integrations.oauth.discovery.KEYS_AGAIN_SECONDS", 0.0)
    assert (await identify(provider)).subject == "ada-1"


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
async def test_answer_of_another_issuer_is_not_taken_to_this_one(fake, provider, issuer):
    fake.serve_at(ISSUER, authorization_response_iss_parameter_supported=True)
    fake.tell(ATTEMPT.nonce)
    with pytest.raises(IdentityNotProven):
        await identify(provider, issuer=issuer)
    assert "/token" not in fake.paths()
    assert (await identify(provider, issuer=ISSUER)).subject == "ada-1"


async def test_issuer_that_is_named_unannounced_must_be_the_right_one(fake, provider):
    fake.tell(ATTEMPT.nonce)
    with pytest.raises(IdentityNotProven):
        await identify(provider, issuer="https://evil.example")


async def test_userinfo_tells_the_address_that_the_token_does_not(fake, provider):
    fake.answers["/userinfo"] = {"sub": "ada-1", "email": "a@example.com", "name": " A \t B "}
    fake.tell(ATTEMPT.nonce, email=None)
    found = await identify(provider)
    assert (found.email, found.is_verified, found.name) == ("a@example.com", False, "A B")


@pytest.mark.parametrize("told", [{"sub": "ada-2"}, {}])
async def test_userinfo_of_somebody_else_is_not_believed(fake, provider, told):
    fake.answers["/userinfo"] = {"email": "a@example.com", "email_verified": True, **told}
    fake.tell(ATTEMPT.nonce, email=None)
    with pytest.raises(IdentityNotProven):
        await identify(provider)


@pytest.mark.parametrize(
    ("said", "is_verified"),
    [(True, True), ("true", True), (False, False), ("false", False), (2, False), (None, False)],
)
async def test_address_is_verified_only_if_the_provider_says_so(fake, provider, said, is_verified):
    fake.tell(ATTEMPT.nonce, email_verified=said)
    assert (await identify(provider)).is_verified is is_verified


@pytest.mark.parametrize("told", [7, ["a@example.com"], "", "a\nb@example.com\0", "x" * 300])
async def test_address_that_is_none_is_none(fake, provider, told):
    fake.tell(ATTEMPT.nonce, email=told, name=told)
    found = await identify(provider)
    assert (found.email, found.name) == (None, None)


TROUBLE = {
    "down": (Response(status_code=500), ProviderUnavailable),
    "busy": (Response(status_code=429), ProviderUnavailable),
    "not JSON": (Response("<html>"), ProviderUnavailable),
    "too deep": (Response("[" * 200_000), ProviderUnavailable),
    "no token": ({"access_token": "x"}, ProviderUnavailable),
    "a token that is no text": ({"id_token": {"a": 1}}, ProviderUnavailable),
    "sent elsewhere": (
        Response(status_code=302, headers={"location": "/jwks"}), ProviderUnavailable,
    ),
    "no object": ([], ProviderMisconfigured),
    "client unknown": ({"error": "invalid_client"}, ProviderMisconfigured),
    "code used before": ({"error": "invalid_grant"}, CodeRefused),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_trouble_at_the_token_endpoint_is_named(fake, provider, trouble):
    fake.answers["/token"], error = TROUBLE[trouble]
    with pytest.raises(error) as raised:
        await identify(provider)
    assert type(raised.value) is error


async def test_answer_without_end_is_not_read_to_the_end(fake, provider):
    fake.tell(ATTEMPT.nonce)
    fake.answers["/token"]["padding"] = "x" * MAX_ANSWER_BYTES
    with pytest.raises(ProviderUnavailable):
        await identify(provider)


async def test_slow_provider_is_not_waited_for(fake):
    async with served(fake) as url:
        fake.serve_at(url)
        fake.slow_seconds = 0.5
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            await make_provider(fake, seconds=0.1).authorization_url(ATTEMPT)
        assert time.monotonic() - began < 0.4


async def test_provider_that_is_away_is_named(fake):
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    fake.serve_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for _ in range(2):  # it hangs up; it is not there at all
        with pytest.raises(ProviderUnavailable):
            await make_provider(fake, seconds=1.0).authorization_url(ATTEMPT)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"issuer": "https://evil.example"}, ProviderMisconfigured),
        ({"issuer": f"{ISSUER}/"}, ProviderMisconfigured),
        ({"authorization_endpoint": "javascript:alert(1)"}, ProviderUnavailable),
        ({"authorization_endpoint": "http://login.example.com/auth"}, ProviderUnavailable),
        ({"token_endpoint": None}, ProviderUnavailable),
        ({"jwks_uri": 7}, ProviderUnavailable),
        ({"userinfo_endpoint": "file:///etc/passwd"}, ProviderUnavailable),
    ],
)
async def test_description_that_cannot_be_trusted_is_not(fake, provider, metadata, error):
    fake.serve_at(ISSUER, **metadata)
    with pytest.raises(error):
        await provider.authorization_url(ATTEMPT)


@pytest.mark.parametrize("keys", [[], {}, {"keys": 7}, {"keys": []}, {"keys": [{"kty": "RSA"}]}])
async def test_keys_that_are_none_are_no_keys(fake, provider, keys):
    fake.answers["/jwks"] = keys
    fake.tell(ATTEMPT.nonce)
    with pytest.raises(ProviderUnavailable):
        await identify(provider)


async def test_what_a_provider_says_of_itself_is_asked_once(fake, provider):
    fake.tell(ATTEMPT.nonce)
    for _ in range(3):
        await provider.authorization_url(ATTEMPT)
        await identify(provider)
    counts = [fake.paths().count(path) for path in ("/.well-known/openid-configuration", "/jwks")]
    assert counts == [1, 1]
