"""`POST /api/v1/keys/report`: anybody says that a key is exposed."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.billing.plans import Plans
from app.core.networks import network_of
from app.core.strict_json import parse_json
from app.keys.exposure import Sighting, read_sighting
from app.keys.reports import take_report
from app.metering.address import client_address
from app.metering.admission import Admission
from app.metering.asgi import Receive, Scope, Send
from app.metering.credentials import key_in_url
from app.metering.own.http import checked, read_json_bytes
from app.metering.own.schemas import ExposedKey, ExposedKeys, ReportTaken
from app.metering.problems import KeyInUrl, RecordingUnavailable
from app.metering.replies import send_json

BODY_BYTES = 256 * 1024
"""The most that a report may have: a hundred keys with long addresses."""


class Exposed:
    """Takes reports, with no key needed; its answer says only that it was understood."""

    def __init__(
        self,
        admission: Admission,
        plans: Callable[[], Plans],
        *,
        root_keys: Collection[bytes],
        trusted_proxy_hops: int,
    ) -> None:
        self._admission = admission
        self._plans = plans
        self._root_keys = root_keys
        self._trusted_proxy_hops = trusted_proxy_hops

    async def answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Serve one request."""
        leaked = key_in_url(scope)
        if leaked is not None:
            await self._admission.note_leak(leaked)
            raise KeyInUrl
        body = await read_json_bytes(scope, receive, limit_bytes=BODY_BYTES)
        sightings = _read(parse_json(body))
        try:
            await take_report(
                sightings,
                network=network_of(client_address(scope, self._trusted_proxy_hops)),
                grace=self._plans().exposed.grace,
                root_keys=self._root_keys,
            )
        except SQLAlchemyError as error:
            raise RecordingUnavailable from error
        answer = ReportTaken(received=len(sightings)).model_dump_json().encode()
        await send_json(answer, [(b"x-request-id", request_id.encode())], scope, send)


def _read(value: Any) -> Sequence[Sighting]:
    """The keys of one report, or of a list of them. Raises InvalidRequest."""
    if isinstance(value, list):
        reports = checked({"reports": value}, ExposedKeys).reports
    else:
        reports = [checked(value, ExposedKey)]
    return [read_sighting(one.key.strip(), url=one.url, source=one.source) for one in reports]
