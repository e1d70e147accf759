"""What GitHub's secret scanning posts: signed by a key that GitHub has, or nothing is done."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from sqlalchemy import text

from app.api.bodies import MOST_BYTES
from app.core.settings import Settings
from app.integrations.github import PUBLIC_KEYS_URL, SigningKeys, get_signing_keys
from app.integrations.github import signing_keys as module
from app.keys.format import new_key
from app.models import ApiKeyMetadata, TrialApiKey
from tests.api.browser import make_app, opened
from tests.api.served import served
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_trial_key, make_user, make_workspace

PATH = "/webhooks/github/secret-scanning"


class KeyServer:
    """GitHub's list of keys, on loopback: an ASGI app. `status` is its answer's."""

    def __init__(self) -> None:
        self.private = {"first": ec.generate_private_key(ec.SECP256R1())}
        self.listed = self.private
        self.others: list[dict[str, Any]] = []
        self.status = 200
        self.asked = 0
        self.padding = 0

    def document(self) -> bytes:
        keys = [
            {"key_identifier": name, "key": _pem(key), "is_current": True}
            for name, key in self.listed.items()
        ]
        rest = {"rest": "x" * self.padding}
        return json.dumps({"public_keys": [*keys, *self.others], **rest}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.document()})

    def sign(self, body: bytes) -> str:
        der = self.private["first"].sign(body, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(der).decode()


def _pem(key: Any) -> str:
    encoding = serialization.Encoding.PEM
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(encoding, form).decode())


@asynccontextmanager
async def github(settings: Settings, **options: Any) -> AsyncIterator[tuple[KeyServer, Any]]:
    """A server with keys, and a way to post what is signed with them to the webhook."""
    server = KeyServer()
    async with served(server) as url:
        keys = SigningKeys(f"{url}/keys", **{"pause_seconds": 0.0, **options})
        app = make_app(settings)
        app.dependency_overrides[get_signing_keys] = lambda: keys
        async with opened(settings, app=app) as client:
            client.headers = httpx.Headers({"Accept": "*/*", "Content-Type": "application/json"})

            async def post(value: Any, *, name: str = "first", **headers: str) -> httpx.Response:
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                signed = {
                    "Github-Public-Key-Identifier": name,
                    "Github-Public-Key-Signature": server.sign(body),
                    **{key.replace("_", "-"): text for key, text in headers.items()},
                }
                return await client.post(PATH, content=body, headers=signed)

            yield server, post


def match(token: str, **fields: str) -> dict[str, str]:
    return {"token": token, "type": "latchkey_live_key", "source": "content",
            "url": "https://github.com/o/r/blob/main/a.txt", **fields}  # fmt: skip


@pytest.fixture
async def secrets(unit_of_work: UnitOfWork) -> dict[str, tuple[Any, str]]:
    async with unit_of_work() as session:
        user = await make_user(session)
        trial = await make_workspace(session, user)
        return {
            "live": await make_key(session, user),
            "trial": await make_trial_key(session, trial),
            "revoked": await make_key(session, user, status="revoked"),
        }


async def notices(unit_of_work: UnitOfWork) -> list[str]:
    async with unit_of_work() as session:
        rows = await session.exec(text("SELECT args FROM latchkey.procrastinate_jobs"))  # type: ignore[call-overload]
        return sorted(row[0]["key_id"] for row in rows)


async def test_genuine_keys_end_and_each_match_is_labelled(
    settings: Settings, unit_of_work: UnitOfWork, secrets: dict[str, tuple[Any, str]]
) -> None:
    unknown, root = new_key("live"), new_key("root")
    digest = sha256(root.encode()).hexdigest()
    known = settings.model_copy(update={"root_keys": digest})
    sent = [*(secret for _, secret in secrets.values()), root, unknown, "lk_live_nothing", "ü"]
    async with github(known) as (_, post):
        answer = await post([match(token) for token in sent])
    assert answer.status_code == 200
    labels = ["true_positive"] * 4 + ["false_positive"] * 3
    assert answer.json() == [
        {
            "token_hash": sha256(token.encode()).hexdigest(),
            "token_type": "latchkey_live_key",
            "label": label,
        }
        for token, label in zip(sent, labels, strict=True)
    ]
    live, trial = secrets["live"][0], secrets["trial"][0]
    assert await notices(unit_of_work) == sorted([live.id, trial.id])


async def test_message_that_is_sent_again_changes_nothing(
    settings: Settings, unit_of_work: UnitOfWork, secrets: dict[str, tuple[Any, str]]
) -> None:
    body = [match(secrets["live"][1]), match(secrets["live"][1], url="")]
    async with github(settings) as (server, post):
        answers = [await post(body) for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    assert await notices(unit_of_work) == [secrets["live"][0].id]
    assert server.asked == 1


@pytest.mark.parametrize("fault", ["no name", "no signature", "not base64", "other body", "name"])
async def test_what_github_has_not_signed_is_refused_and_changes_nothing(
    settings: Settings,
    unit_of_work: UnitOfWork,
    secrets: dict[str, tuple[Any, str]],
    fault: str,
) -> None:
    body = [match(secrets["live"][1])]
    async with github(settings) as (server, post):
        server.private["second"] = ec.generate_private_key(ec.SECP256R1())
        headers = {
            "no name": {"Github_Public_Key_Identifier": ""},
            "no signature": {"Github_Public_Key_Signature": ""},
            "not base64": {"Github_Public_Key_Signature": "MEQC*"},
            "other body": {"Github_Public_Key_Signature": server.sign(b"[]")},
            "name": {"Github_Public_Key_Identifier": "second"},
        }[fault]
        answer = await post(body, **headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
    assert await notices(unit_of_work) == []
    async with unit_of_work() as session:
        assert (await session.get(ApiKeyMetadata, secrets["live"][0].id)).status == "active"  # type: ignore[union-attr]
        assert (await session.get(TrialApiKey, secrets["trial"][0].id)).status == "active"  # type: ignore[union-attr]


async def test_key_of_another_kind_verifies_nothing(settings: Settings) -> None:
    sha256_of = hashes.SHA256()
    large = ec.generate_private_key(ec.SECP384R1())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed = {
        "p384": (large, large.sign(b"[]", ec.ECDSA(sha256_of))),
        "rsa": (other, other.sign(b"[]", padding.PKCS1v15(), sha256_of)),
    }
    async with github(settings) as (server, post):
        for name, (key, signature) in signed.items():
            server.others.append({"key_identifier": name, "key": _pem(key)})
            encoded = base64.b64encode(signature).decode()
            answer = await post([], name=name, Github_Public_Key_Signature=encoded)
            assert answer.status_code == 400
        assert (await post([])).status_code == 200


async def test_new_key_is_asked_for_once_and_a_flood_of_names_does_not_ask_again(
    settings: Settings,
) -> None:
    async with github(settings, pause_seconds=3600.0) as (server, post):
        assert (await post([])).status_code == 200
        for number in range(5):
            assert (await post([], name=f"unknown-{number}")).status_code == 400
        assert server.asked == 1
    async with github(settings) as (server, post):
        assert (await post([])).status_code == 200
        server.private["second"] = server.private["first"]
        assert (await post([], name="second")).status_code == 200
        assert server.asked == 2


async def test_withdrawn_key_is_not_believed_for_longer_than_a_day(settings: Settings) -> None:
    now = [0.0]
    async with github(settings, clock=lambda: now[0]) as (server, post):
        assert (await post([])).status_code == 200
        private = server.private["first"]
        server.listed = {"second": private}
        now[0] = module.KEPT_SECONDS - 1
        assert (await post([])).status_code == 200
        now[0] = module.KEPT_SECONDS
        assert (await post([])).status_code == 400
        server.status = 500
        now[0] = 3 * module.KEPT_SECONDS
        assert (await post([], name="second")).status_code == 503


@pytest.mark.parametrize("fault", ["status", "length", "keys"])
async def test_without_githubs_keys_the_message_is_to_be_sent_again(
    settings: Settings, fault: str
) -> None:
    async with github(settings) as (server, post):
        if fault == "status":
            server.status = 403
        elif fault == "length":
            server.padding = module.MOST_BYTES
        else:
            server.others = [{"key_identifier": "odd", "key": "no key"}]
        answer = await post([])
        assert (answer.status_code, answer.json()["code"]) == (503, "signing_keys_unavailable")
        server.status, server.padding, server.others = 200, 0, []
        assert (await post([])).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" + b" " * MOST_BYTES + b"]", 413),
        (b"{", 400),
        (b"{}", 422),
        (b'[{"token": 1, "type": "x"}]', 422),
        (b'["lk_live_x"]', 422),
        (b"[]", 200),
    ],
)
async def test_signed_body_that_is_no_list_of_matches_is_refused_in_words(
    settings: Settings, unit_of_work: UnitOfWork, body: bytes, status: int
) -> None:
    async with github(settings) as (_, post):
        answer = await post(body)
    assert answer.status_code == status
    assert "lk_live" not in answer.text


async def test_thousands_of_matches_are_answered_in_time(
    settings: Settings, secrets: dict[str, tuple[Any, str]], unit_of_work: UnitOfWork
) -> None:
    many = [{"token": new_key("live"), "type": "t"} for _ in range(3000)]
    async with github(settings) as (_, post):
        answer = await post([*many, match(secrets["live"][1])])
    assert answer.status_code == 200
    assert [one["label"] for one in answer.json()].count("true_positive") == 1
    assert answer.elapsed.total_seconds() < 10
    assert await notices(unit_of_work) == [secrets["live"][0].id]


def test_in_earnest_githubs_own_keys_are_asked_for() -> None:
    assert PUBLIC_KEYS_URL == "https://api.github.com/meta/public_keys/secret_scanning"
    assert get_signing_keys() is get_signing_keys()
