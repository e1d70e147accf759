"""The life of a trial: the one place that knows its states, and what each of them allows.

active → expired | converted | cancelled; expired → converted, until the day its data goes;
expired → active, by an operator's extension. A trial is over from its `expires_at` on, by the
database's clock, whether or not a job has written that down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.core.errors import LatchkeyError
from app.models import TrialWorkspace


class Status(StrEnum):
    """What `TrialWorkspace.status` holds."""

    ACTIVE = "active"
    EXPIRED = "expired"
    CONVERTED = "converted"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can be done with a trial."""

    EXPIRE = "expire"
    CONVERT = "convert"
    CANCEL = "cancel"
    EXTEND = "extend"
    MAKE_KEY = "make_key"
    REVOKE_KEY = "revoke_key"


_AFTER: Mapping[tuple[Status, Move], Status] = {
    (Status.ACTIVE, Move.EXPIRE): Status.EXPIRED,
    (Status.ACTIVE, Move.CONVERT): Status.CONVERTED,
    (Status.ACTIVE, Move.CANCEL): Status.CANCELLED,
    (Status.ACTIVE, Move.EXTEND): Status.ACTIVE,
    (Status.ACTIVE, Move.MAKE_KEY): Status.ACTIVE,
    (Status.ACTIVE, Move.REVOKE_KEY): Status.ACTIVE,
    (Status.EXPIRED, Move.CONVERT): Status.CONVERTED,
    (Status.EXPIRED, Move.EXTEND): Status.ACTIVE,
}
"""Every move that there is, and the state that it leads to. What is not here is refused."""

_REFUSED: Mapping[Status, str] = {
    Status.ACTIVE: "This trial is still running.",
    Status.EXPIRED: "This trial is over. Convert it to go on with the same keys.",
    Status.CONVERTED: "This trial has been converted: its keys are among your live keys now.",
    Status.CANCELLED: "This trial was cancelled, and its keys are revoked. Choose a plan to go on.",
}
_TOO_LATE = "This trial is over, and the time for keeping its keys and data has passed."


class TrialMoveRefused(LatchkeyError):
    """The trial's state does not allow this."""

    status = 409
    code = "trial_move_refused"
    title = "This trial cannot be changed that way"
    default_detail = "This trial has changed meanwhile. Reload the page to see it."


@dataclass(frozen=True, slots=True)
class Life:
    """Where a trial is in its life at one moment.

    `ended_at`: when it stopped being active, or None. `data_goes_at`: from when on its keys and
    calls may be deleted and nothing can be done with it; None as long as it has not ended, and
    for a converted one, whose calls are the account's.
    """

    status: Status
    expires_at: datetime
    ended_at: datetime | None
    data_goes_at: datetime | None
    is_data_due: bool

    def after(self, move: Move) -> Status:
        """The state that this move leads to. Raises TrialMoveRefused, saying why and what now."""
        if self.is_data_due:
            raise TrialMoveRefused(_TOO_LATE)
        to = _AFTER.get((self.status, move))
        if to is None:
            raise TrialMoveRefused(_REFUSED[self.status])
        return to

    def allows(self, move: Move) -> bool:
        """Whether the move is one that there is now."""
        return not self.is_data_due and (self.status, move) in _AFTER


def read_life(workspace: TrialWorkspace, *, now: datetime, data_days: int) -> Life:
    """The trial's life as of `now`, which is the database's; `data_days` as in the plans file."""
    status = _status(workspace, now)
    ended_at = _ended_at(workspace, status)
    data_goes_at = None
    if ended_at is not None and status is not Status.CONVERTED:
        data_goes_at = ended_at + timedelta(days=data_days)
    return Life(
        status=status,
        expires_at=workspace.expires_at,
        ended_at=ended_at,
        data_goes_at=data_goes_at,
        is_data_due=data_goes_at is not None and data_goes_at <= now,
    )


def _status(workspace: TrialWorkspace, now: datetime) -> Status:
    if workspace.status not in set(Status):
        return Status.CANCELLED  # another program's word is no permission
    status = Status(workspace.status)
    is_over = status is Status.ACTIVE and workspace.expires_at <= now
    return Status.EXPIRED if is_over else status


def _ended_at(workspace: TrialWorkspace, status: Status) -> datetime | None:
    match status:
        case Status.ACTIVE:
            return None
        case Status.EXPIRED:
            return workspace.expires_at
        case Status.CONVERTED:
            return workspace.converted_at or workspace.expires_at
        case Status.CANCELLED:
            return workspace.cancelled_at or workspace.expires_at
