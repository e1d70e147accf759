"""Claims on `Idempotency-Key`s: taken before the work, ended in the transaction of the call's row.

They go by a connection of their own, so that calls without a key wait for none of this.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from cryptography.fernet import MultiFernet

from app.metering.asgi import Message
from app.metering.group_commit import DATABASE_SECONDS, GroupCommit, Kind, Result
from app.metering.kept_answer import HELD_BYTES, MOST_BYTES, Budget, Held, encrypted
from app.metering.recorder import CallRow, Recorder, free_reserved, new_slot
from app.metering.sending import Sending
from app.metering.wire import DatabaseUnavailable, array

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
"""How long a key stays claimed after its process died in the midst of the work."""

EXTEND_SECONDS = 15.0
"""How often the leases of calls in work are renewed; three times may fail."""

KEPT_SECONDS = 24 * 3600
"""How long an answer is kept, from when it was given."""

_FIRST_GOOD, _FIRST_OTHER = 200, 300
_CLAIM = b"SELECT * FROM latchkey.claim_keys($1, $2, $3, $4, $5)"
_EXTEND = b"SELECT latchkey.extend_claims($1, $2, $3)"
_RECORD = (
    b"SELECT * FROM latchkey.record_keyed_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
    b"$13, $14, $15, $16, $17, $18, $19, $20)"
)


class Claim:
    """A call's claim on its key: what the database said of it, and what is kept of the answer."""

    __slots__ = ("_claims", "answer", "call_id", "digest", "fingerprint", "held", "holder",
                 "may_claim")  # fmt: skip

    def __init__(
        self, claims: "Claims", digest: bytes, fingerprint: bytes, call_id: str, *, may_claim: bool
    ) -> None:
        """`may_claim` false: only look who has the key."""
        self._claims = claims
        self.digest, self.fingerprint, self.call_id = digest, fingerprint, call_id
        self.may_claim = may_claim
        self.holder: Holder | None = None
        self.held = Held(claims.budget)
        self.answer: str | None = None

    def holds(self, start: Message, size: int) -> bool:
        """Whether an answer of so many bytes by now is held on, to be kept."""
        if not _FIRST_GOOD <= start["status"] < _FIRST_OTHER:
            return False
        if size > MOST_BYTES:
            self.held.let_go()
            return False
        return self.held.grow(size)

    def keep(self, start: Message, body: bytes | bytearray) -> None:
        """This is the whole answer: keep it, if there is room, when the call is written."""
        if self.holds(start, len(body)):
            self.answer = encrypted(self._claims.cipher, start, body)

    async def write(self, row: CallRow) -> None:
        """Commit the call's row, and with it the end of this claim. Raises DatabaseUnavailable."""
        await self._claims.write(row)


class Holder:
    """Whose a key is, by what the database says."""

    __slots__ = ("answer_bytes", "call_id", "expires_in_ms", "is_done", "is_ours", "is_same")

    def __init__(self, row: Sequence[bytes | None]) -> None:
        self.is_ours = row[0] == b"t"
        self.is_same = row[1] == b"t"
        """Whether the request was the same as ours."""
        self.call_id = (row[2] or b"").decode()
        self.is_done = row[3] == b"t"
        self.answer_bytes = None if row[4] is None else int(row[4])
        """How large the kept answer is as it is stored; None if it was not kept."""
        self.expires_in_ms = int(row[5] or 0)

    @property
    def has_answered(self) -> bool:
        """Whether the same request was answered, and the answer is there."""
        return self.is_same and self.is_done and self.answer_bytes is not None


class Claims:
    """Takes, renews and ends claims between `open()` and `close()`."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        seconds: float = DATABASE_SECONDS,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self._recorder = recorder
        self._slot = new_slot()
        self._sending: Sending
        self.budget = Budget(held_bytes)
        self.cipher: MultiFernet
        self._running: set[Claim] = set()
        self._asked: Kind[Claim] = Kind(_CLAIM, _claim_params, _claimed)
        self._extended: Kind[Claim] = Kind(_EXTEND, _extend_params)
        self._ended: Kind[CallRow] = Kind(
            _RECORD, self._record_params, self._recorded, free_reserved, weight=_weight
        )
        self._commit = GroupCommit([self._asked, self._extended, self._ended], seconds=seconds)
        self._task: asyncio.Task[None] | None = None

    def open(self, url: str, cipher: MultiFernet) -> None:
        """Begin. Connects with the first claim."""
        self.cipher = cipher
        self._commit.open(url)
        self._task = asyncio.create_task(self._extend_for_ever())

    async def close(self) -> None:
        """End. Claims of calls that are still in work lapse."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._commit.close()

    async def ask(self, claim: Claim) -> Holder | None:
        """Claim the key, or look: who has it now, None if nobody. Raises DatabaseUnavailable."""
        await self._commit.write(self._asked, claim)
        if claim.holder is not None and claim.holder.is_ours:
            self._running.add(claim)
        return claim.holder

    async def write(self, row: CallRow) -> None:
        """Return when the row and the end of its claim are committed.

        Raises DatabaseUnavailable when nobody can say: then the claim lapses, or has ended.
        """
        if row.claim is not None:
            self._running.discard(row.claim)
        await self._commit.write(self._ended, row)

    async def extend(self) -> None:
        """Renew the leases of the calls in work."""
        writing = [self._commit.write(self._extended, claim) for claim in self._running]
        for error in await asyncio.gather(*writing, return_exceptions=True):
            if isinstance(error, DatabaseUnavailable):
                logger.warning("the claim of a call in work could not be renewed: %s", error)

    async def _extend_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EXTEND_SECONDS)
            await self.extend()

    def _record_params(self, rows: Sequence[CallRow]) -> list[bytes | None]:
        self._sending = sending = Sending(rows, may_count_later=False)
        claims = [row.claim for row in sending.rows if row.claim is not None]
        return [
            self._slot,
            *sending.columns(),
            *sending.positions(),
            _bytes_array([claim.digest for claim in claims]),
            _bytes_array([claim.fingerprint for claim in claims]),
            # A token is made of letters, digits, "-", "_" and "=".
            array(["NULL" if claim.answer is None else claim.answer for claim in claims]),
            b"%d" % KEPT_SECONDS,
        ]

    def _recorded(self, _: Sequence[CallRow], result: Result) -> None:
        received = time.monotonic()
        self._recorder.settle_units(self._sending, result, received, is_again=False)


def _claim_params(claims: Sequence[Claim]) -> list[bytes | None]:
    return [
        _bytes_array([claim.digest for claim in claims]),
        _bytes_array([claim.fingerprint for claim in claims]),
        array([claim.call_id for claim in claims]),
        array(["t" if claim.may_claim else "f" for claim in claims]),
        b"%d" % LEASE_SECONDS,
    ]


def _claimed(claims: Sequence[Claim], result: Result) -> None:
    for place, claim in enumerate(claims):
        row = [result.get_value(place, column) for column in range(6)]
        claim.holder = None if row[0] is None else Holder(row)


def _extend_params(claims: Sequence[Claim]) -> list[bytes | None]:
    return [
        _bytes_array([claim.digest for claim in claims]),
        array([claim.call_id for claim in claims]),
        b"%d" % LEASE_SECONDS,
    ]


def _bytes_array(values: Sequence[bytes]) -> bytes:
    return array([f'"\\\\x{value.hex()}"' for value in values])


def _weight(row: CallRow) -> int:
    answer = row.claim.answer if row.claim is not None else None
    return len(answer or "")
