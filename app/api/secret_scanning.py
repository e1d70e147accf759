"""What GitHub's secret scanning posts: keys of ours that it has found in public places.

The request and the answer are those of docs.github.com, "Secret scanning partner program".
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.responses import JSONResponse, Response

from app.api.bodies import read_body
from app.billing.plans import get_plans
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest
from app.core.settings import Settings, get_settings
from app.core.strict_json import parse_json
from app.integrations.github import BadSignature, SigningKeys, get_signing_keys
from app.keys.exposure import Sighting, end_exposed, read_sighting
from app.keys.reports import MOST_AT_ONCE, warn_of_root_keys

router = APIRouter(prefix="/webhooks/github", include_in_schema=False)
Config = Annotated[Settings, Depends(get_settings)]
Keys = Annotated[SigningKeys, Depends(get_signing_keys)]
Signed = Annotated[str, Header(max_length=1000)]


class Match(BaseModel):
    """One text that fits the pattern of our keys, and where it was found. More may be said."""

    model_config = ConfigDict(strict=True)

    token: str
    type: str
    url: str | None = None
    source: str | None = None


_MATCHES = TypeAdapter(list[Match])


@router.post("/secret-scanning")
async def take_matches(
    request: Request,
    settings: Config,
    keys: Keys,
    github_public_key_identifier: Signed = "",
    github_public_key_signature: Signed = "",
) -> Response:
    """End what is genuine, and say of each match whether it is; sent again, it changes nothing."""
    if not github_public_key_identifier or not github_public_key_signature:
        raise BadSignature
    body = await read_body(request)
    await keys.verify(
        body,
        identifier=github_public_key_identifier,
        signature=github_public_key_signature,
    )
    matches = _read(body)
    sightings = [read_sighting(one.token, url=one.url, source=one.source) for one in matches]
    genuine = await _end(sightings, settings)
    pairs = zip(matches, sightings, strict=True)
    return JSONResponse([_label(match, sighting, genuine) for match, sighting in pairs])


def _read(body: bytes) -> Sequence[Match]:
    try:
        return _MATCHES.validate_python(parse_json(body))
    except ValidationError as error:
        raise InvalidRequest(
            "Send a list of matches, each with `token` and `type`.",
            fields={"body": "must be a list of objects with token and type"},
        ) from error


async def _end(sightings: Sequence[Sighting], settings: Settings) -> frozenset[str]:
    """The digests of genuine keys; some at a time, so that nothing waits long for their locks."""
    grace = get_plans().exposed.grace
    found = warn_of_root_keys((one.digest for one in sightings), settings.root_key_digests)
    rest = iter(sightings)
    while some := list(islice(rest, MOST_AT_ONCE)):
        async with unit_of_work() as session:
            found |= await end_exposed(session, some, grace=grace)
    return found


def _label(match: Match, sighting: Sighting, genuine: Iterable[str]) -> dict[str, Any]:
    """The feedback on one match. Its hash tells GitHub which it was; the key goes nowhere again."""
    return {
        "token_hash": sighting.digest,
        "token_type": match.type,
        "label": "true_positive" if sighting.digest in genuine else "false_positive",
    }
