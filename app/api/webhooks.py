"""What Stripe posts: verified, stored, acknowledged. It is applied later, by a job."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from app.api.bodies import read_body
from app.billing import event_store
from app.core.database import unit_of_work
from app.core.errors import NotFound
from app.core.settings import Settings, get_settings
from app.integrations.stripe import webhook_secret
from app.integrations.stripe.webhooks import read_event

router = APIRouter(prefix="/webhooks", include_in_schema=False)
Config = Annotated[Settings, Depends(get_settings)]


@router.post("/stripe")
async def take_event(
    request: Request,
    settings: Config,
    stripe_signature: Annotated[str | None, Header()] = None,
) -> Response:
    """Store a signed event by its id; one that was here before changes nothing."""
    secret = webhook_secret(settings)
    if secret is None:
        raise NotFound
    event = read_event(await read_body(request), stripe_signature, secret)
    async with unit_of_work() as session:
        await event_store.store(session, event)
    return Response(status_code=204)
