"""`/api/openapi.json` and `/api/docs`: the metered API, for programs and for people."""

import json
from functools import lru_cache

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from app.api.pages import PUBLIC_HEADERS, render_page
from app.api.reference_view import view_of
from app.core.settings import get_settings
from app.metering.build import describe_api
from app.metering.openapi_document import api_document
from app.metering.openapi_merge import Document
from app.metering.own.openapi import own_openapi

OWN_DOCUMENTS: tuple[Document, ...] = (own_openapi(),)
"""What Latchkey says of its own routes under `/api/v1/`."""

_READING = ["GET", "HEAD"]

router = APIRouter(include_in_schema=False)


@router.api_route("/api/openapi.json", methods=_READING)
def openapi() -> Response:
    """The OpenAPI 3.1 document, made once in each process."""
    return Response(_document_json(), media_type="application/json")


@router.api_route("/api/docs", methods=_READING)
def docs() -> HTMLResponse:
    """The same as a page, with nothing loaded from elsewhere."""
    return render_page("reference.html", headers=PUBLIC_HEADERS, api=view_of(_document()))


@lru_cache(maxsize=1)
def _document() -> Document:
    settings = get_settings()
    return api_document(
        describe_api(settings),
        *OWN_DOCUMENTS,
        public_url=settings.public_url,
        has_upstream=settings.api_upstream is not None,
    )


@lru_cache(maxsize=1)
def _document_json() -> bytes:
    return json.dumps(_document(), ensure_ascii=False, separators=(",", ":")).encode()
