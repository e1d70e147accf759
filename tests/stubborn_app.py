"""An ASGI app that says that it cannot start, for `API_APP`."""


async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the shelf is empty"})
