"""A provider that can be made to lie, which a real one cannot; and one that plays GitHub."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.core.clock import utc_now

CLIENT_ID = "latchkey"
KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
NEXT_KEY = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})

Claims = dict[str, Any]
Sign = Callable[[Claims], str]


def signed(claims: Claims, key: RSAKey = KEY) -> str:
    """The token as an honest provider signs it."""
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def unsigned(claims: Claims) -> str:
    """`alg: none`."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def signed_by_public_key(claims: Claims) -> str:
    """HS256 with what everybody knows as the secret."""
    token = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{_part(claims)}"
    digest = hmac.digest(KEY.as_pem(private=False), token.encode(), "sha256")
    return f"{token}.{_base64(digest)}"


def _part(value: Claims) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class FakeProvider:
    """An ASGI app: answers by path, and notes what was asked. Change what it says at will."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    slow_seconds: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        form = dict(parse_qsl((await request.body()).decode()))
        self.asked.append((request.url.path, form, dict(request.headers)))
        await asyncio.sleep(self.slow_seconds)
        said = self.answers.get(request.url.path, Response(status_code=404))
        answer = said if isinstance(said, Response) else JSONResponse(said)
        await answer(scope, receive, send)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


class FakeIssuer(FakeProvider):
    """An OpenID provider that says what the test wants, at `url` once it is served there."""

    url: str = "https://login.example.com"

    def serve_at(self, url: str, **metadata: Any) -> None:
        self.url = url
        self.answers["/.well-known/openid-configuration"] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/auth",
            "token_endpoint": f"{url}/token",
            "userinfo_endpoint": f"{url}/userinfo",
            "jwks_uri": f"{url}/jwks",
            **metadata,
        }
        self.publish(KEY)

    def publish(self, *keys: RSAKey) -> None:
        self.answers["/jwks"] = {"keys": [key.as_dict(private=False) for key in keys]}

    def tell(self, nonce: str, sign: Sign = signed, **claims: Any) -> None:
        """Have the token endpoint give a token with these claims; None leaves one out."""
        now = int(utc_now().timestamp())
        honest = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "ada-1",
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
            "email": "ada@example.com",
            "email_verified": True,
        }
        wanted = {name: value for name, value in {**honest, **claims}.items() if value is not None}
        self.answers["/token"] = {
            "access_token": "access",
            "token_type": "Bearer",
            "id_token": sign(wanted),
        }


class FakeGitHub(FakeProvider):
    """GitHub's site and its API, on one port."""

    def know(self, *addresses: dict[str, Any], **user: Any) -> None:
        self.answers = {
            "/login/oauth/access_token": {"access_token": "gho_x", "token_type": "bearer"},
            "/user": {"id": 583231, "login": "ada", "name": None, **user},
            "/user/emails": list(addresses),
        }
