"""What Latchkey is measured against: the same trivial endpoint, each served by the same server.

Each is a factory, as uvicorn takes them. `BENCH_DATABASE_URL` leads to the database.
"""

import os
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.core.crypto import sha256_hex
from app.core.ids import new_call_id
from app.metering.asgi import ASGIApp, Receive, Scope, Send
from app.metering.proxy import Proxy
from app.metering.upstream import Upstream
from app.models import ApiCall, ApiKeyMetadata

PATH = "/api/v1/hello"
_BODY = b'{"hello":"world"}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"17")],
}
_END = {"type": "http.response.body", "body": _BODY}


class Hello:
    """The trivial endpoint without any framework; also what Latchkey stands before."""

    def openapi(self) -> dict[str, Any]:
        return {"paths": {PATH: {"get": {}}}}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await send(_START)
        await send(_END)


hello = Hello()


def make_asgi() -> ASGIApp:
    return hello


def make_starlette() -> Starlette:
    async def answer(request: Request) -> JSONResponse:
        return JSONResponse({"hello": "world"})

    return Starlette(routes=[Route(PATH, answer)])


def make_fastapi() -> FastAPI:
    app = FastAPI()

    @app.get(PATH)
    async def answer() -> dict[str, str]:
        return {"hello": "world"}

    return app


fastapi_app = make_fastapi()


def make_naive() -> FastAPI:
    """What one writes first: select the key, do the work, insert the call, commit, answer."""
    url = os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
    engine = create_async_engine(url, pool_size=20)
    app = FastAPI()

    async def session() -> Any:
        async with AsyncSession(engine, expire_on_commit=False) as opened:
            yield opened

    @app.get(PATH)
    async def answer(
        database: Annotated[AsyncSession, Depends(session)], x_api_key: Annotated[str, Header()]
    ) -> dict[str, str]:
        digest = sha256_hex(x_api_key)
        query = select(ApiKeyMetadata).where(ApiKeyMetadata.key_hash == digest)
        key = (await database.exec(query)).first()
        if key is None or key.status != "active":
            raise HTTPException(401)
        database.add(
            ApiCall(
                id=new_call_id(),
                api_key_id=key.id,
                owner_id=key.user_id,
                endpoint=PATH,
                method="GET",
                status_code=200,
                latency_ms=1,
                units=1,
                created_at=datetime.now(UTC),
            )
        )
        await database.commit()
        return {"hello": "world"}

    return app


def make_proxy() -> ASGIApp:
    """The proxy without the meter before it."""
    return Proxy(Upstream(os.environ["BENCH_UPSTREAM"]), public_url="http://localhost:8000")
