"""Whether an ID token proves who somebody is (OpenID Connect Core 1.0, 3.1.3.7)."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app.integrations.oauth.errors import IdentityNotProven

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)
"""Signatures that only the holder of a private key can make: no `none`, and no HS256, for which
anybody could use the public key as the secret."""

SKEW_SECONDS = 60
"""How far the provider's clock may be from ours."""

OLDEST_SECONDS = 600
"""How long ago it may have been issued: it is for this sign-in, which takes no longer."""

LONGEST_SUBJECT = 255
"""Characters, by the standard."""

logger = logging.getLogger(__name__)


class UnknownKey(IdentityNotProven):
    """The token is signed by a key that is not among these; the issuer may have a new one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say to be for us, and for this sign-in."""

    issuer: str
    client_id: str
    nonce: str
    now: datetime


def proven_claims(token: str, keys: KeySet, expected: Expected) -> dict[str, Any]:
    """The claims of a token that holds all that it must. Raises IdentityNotProven or UnknownKey."""
    try:
        decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        _registry(expected).validate(decoded.claims)
        _check_parties(decoded.claims, expected)
        _check_age(decoded.claims, expected)
    except InvalidKeyIdError as error:
        raise UnknownKey from error
    except (JoseError, ValueError, TypeError) as error:
        # the kind of fault only: claims and tokens are nobody's to read
        logger.warning("An ID token was refused: %s: %.100s", type(error).__name__, error)
        raise IdentityNotProven from error
    return decoded.claims


def _registry(expected: Expected) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=int(expected.now.timestamp()),
        leeway=SKEW_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        nonce={"essential": True},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )


def _check_parties(claims: dict[str, Any], expected: Expected) -> None:
    """What joserfc leaves to us: `azp`, a nonce that is a text, a subject that fits."""
    audiences = claims["aud"]
    if isinstance(audiences, list) and len(audiences) > 1 and "azp" not in claims:
        raise ValueError("several audiences and no azp")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise ValueError("azp is another client")
    if claims["nonce"] != expected.nonce:
        raise ValueError("the nonce is not the text that was sent")
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or "\0" in claims["sub"]:
        raise ValueError("the subject is empty or too long")


def _check_age(claims: dict[str, Any], expected: Expected) -> None:
    if claims["iat"] < expected.now.timestamp() - OLDEST_SECONDS - SKEW_SECONDS:
        raise ValueError("it was issued too long ago")
