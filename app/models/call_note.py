"""What a call's row has no column for."""

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record


class CallNote(Record, table=True):
    """A remark on a live or trial call; most calls have none.

    `times`: how many refusals the row stands for, when a key's refusals came in a flood.
    `aborted`: the streamed answer did not get to its end. The counters count the row, once.
    `completed`: a service elsewhere has said how the call ended that it had verified.
    """

    __tablename__ = "CallNote"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    call_id: str = Field(primary_key=True)
    times: int = 1
    aborted: bool = False
    completed: bool = False
