"""A signed-in browser."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, references


class Session(Record, table=True):
    """A signed-in browser. `session_token` is the SHA-256 of what its cookie holds."""

    __tablename__ = "Session"

    id: str = Field(default_factory=new_id, primary_key=True)
    session_token: str = Field(unique=True)
    user_id: str = references("User")
    expires: datetime
