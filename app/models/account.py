"""An identity at an OAuth provider."""

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, named, references


class Account(Record, table=True):
    """A user's identity at a provider. Tokens are encrypted, or null where nothing uses them."""

    __tablename__ = "Account"

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = references("User")
    type: str
    provider: str
    provider_account_id: str
    refresh_token: str | None = named("refresh_token")
    access_token: str | None = named("access_token")
    expires_at: int | None = named("expires_at")
    token_type: str | None = named("token_type")
    scope: str | None = None
    id_token: str | None = named("id_token")
    session_state: str | None = named("session_state")
