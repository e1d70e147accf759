"""The files that the plain pages need, for a node without the portal that otherwise has them."""

from fastapi import APIRouter
from starlette.responses import FileResponse

from app.core.assets import ASSETS
from app.core.errors import NotFound

NAMES = frozenset(
    {"latchkey.css", "portal.css", "latchkey.js", "theme.js", "favicon.ico", "favicon.svg"}
)
_CACHED = {"Cache-Control": "public, max-age=3600"}

router = APIRouter(include_in_schema=False)


@router.get("/{name}")
def look(name: str) -> FileResponse:
    """A style sheet, script or icon of ours."""
    if name not in NAMES:
        raise NotFound
    return FileResponse(ASSETS / name, headers=_CACHED)


@router.get("/fonts/{name}")
def font(name: str) -> FileResponse:
    """A font of ours."""
    if name not in {path.name for path in (ASSETS / "fonts").glob("*.woff2")}:
        raise NotFound
    return FileResponse(ASSETS / "fonts" / name, headers=_CACHED)
