"""`/report-key`: a page on which anybody says that a key is exposed."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.api.client import client_network
from app.api.errors import wants_page
from app.api.pages import render_page
from app.billing.plans import get_plans
from app.core.errors import InvalidRequest
from app.core.settings import Settings, get_settings
from app.keys.exposure import Sighting, read_sighting
from app.keys.format import KEY_PATTERN
from app.keys.reports import MOST_AT_ONCE, take_report

LONGEST_TEXT = 8000
LONGEST_PLACE = 500
_NO_KEY = "Paste the key that you have found."

router = APIRouter(include_in_schema=False)
Config = Annotated[Settings, Depends(get_settings)]


@router.get("/report-key")
def show_form() -> Response:
    """The form."""
    return render_page("report_key.html", error="")


@router.post("/report-key")
async def report_key(
    request: Request,
    settings: Config,
    key: Annotated[str, Form(max_length=LONGEST_TEXT)] = "",
    place: Annotated[str, Form(max_length=LONGEST_PLACE)] = "",
) -> Response:
    """Do what is to be done about each key in the text; the page is the same whatever it was."""
    if not key.strip():
        if not wants_page(request):
            raise InvalidRequest(fields={"key": _NO_KEY})
        return render_page("report_key.html", status=422, error=_NO_KEY)
    await take_report(
        _sightings(key, place),
        network=client_network(request, settings),
        grace=get_plans().exposed.grace,
        root_keys=settings.root_key_digests,
    )
    return render_page("report_key_done.html")


def _sightings(text: str, place: str) -> Sequence[Sighting]:
    """One for each key in the text; a text without any is itself as good as a wrong key."""
    keys = dict.fromkeys(match.group() for match in KEY_PATTERN.finditer(text))
    found = list(keys)[:MOST_AT_ONCE] or [text.strip()]
    return [read_sighting(one, source=place) for one in found]
