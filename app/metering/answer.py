"""The gate between the inner app and the client: nothing leaves before the row is committed."""

from enum import Enum, auto

from app.core.errors import PROBLEM_CONTENT_TYPE, LatchkeyError, problem_of
from app.metering.asgi import Headers, Message, Send
from app.metering.call import Call
from app.metering.problems import ClientGone, OutcomeUnknown, RecordingUnavailable
from app.metering.recorder import Place, Recorder

HELD_BYTES = 64 * 1024
"""Answers up to this size are held whole until their row is committed."""

_UNAUTHORIZED = 401
_OURS = frozenset({b"x-request-id", b"x-units"})


class _Phase(Enum):
    HOLDING = auto()
    STREAMING = auto()
    COMPLETE = auto()


class Answer:
    """One answer: held, or streamed, but in any case recorded before its first byte leaves.

    An answer is streamed if it comes in parts and did not declare a length within HELD_BYTES:
    then its row has the status and units known at the first part, and the latency follows.
    """

    def __init__(self, call: Call, send: Send, recorder: Recorder) -> None:
        self._call = call
        self._send = send
        self._recorder = recorder
        self._place: Place | None = None
        self._start: Message | None = None
        self._held = bytearray()
        self._phase = _Phase.HOLDING
        self.client_gone = False

    @property
    def is_complete(self) -> bool:
        """Whether all of the answer has left."""
        return self._phase is _Phase.COMPLETE

    @property
    def is_streaming(self) -> bool:
        """Whether the answer has begun to leave and is not complete."""
        return self._phase is _Phase.STREAMING

    def take_place(self) -> None:
        """Make sure, before the work, of room for the row. Raises RecordingUnavailable."""
        self._place = self._recorder.take_place()

    async def send(self, message: Message) -> None:
        """The inner app's `send`. What is neither a start nor a body has no place here."""
        if message["type"] == "http.response.start" and self._phase is _Phase.HOLDING:
            self._start = message
        elif message["type"] == "http.response.body":
            await self._take(message.get("body", b""), more=message.get("more_body", False))

    async def refuse(self, error: LatchkeyError) -> None:
        """Answer with this problem instead, recorded if the key is known."""
        try:
            if self._call.grant is not None and not isinstance(error, RecordingUnavailable):
                await self._record(error.status)
        except RecordingUnavailable as unavailable:
            error = unavailable
        self._phase = _Phase.COMPLETE
        if not isinstance(error, ClientGone):
            await self._send_problem(error)

    async def break_off(self) -> None:
        """The streamed answer ends here, incomplete."""
        self._phase = _Phase.COMPLETE
        await self._settle()

    def abandon(self) -> None:
        """Whoever ran us no longer waits: record what there is, if nothing was, and let go."""
        if self._place is not None:
            self._place.record_later(self._call.row(ClientGone.status))

    async def _take(self, body: bytes, *, more: bool) -> None:
        if self._phase is _Phase.HOLDING:
            self._held += body
            if more and self._declares_little():
                return
            try:
                await self._record(self._started()["status"])
            except RecordingUnavailable as unavailable:
                await self.refuse(unavailable)
            else:
                await self._let_go(more=more)
        elif self._phase is _Phase.STREAMING:
            await self._stream(body, more=more)

    def _declares_little(self) -> bool:
        """Whether the whole answer is known to be small enough to hold."""
        for name, value in self._started()["headers"]:
            if name.lower() == b"content-length":
                return int(value) <= HELD_BYTES and len(self._held) <= HELD_BYTES
        return False

    async def _record(self, status: int) -> None:
        """Commit the row of an answer with this status. Raises RecordingUnavailable."""
        if self._place is None:
            await self._recorder.take_place().record(self._call.row(status))
            return
        try:
            await self._place.record(self._call.row(status))
        except RecordingUnavailable as error:
            raise OutcomeUnknown from error

    async def _let_go(self, *, more: bool) -> None:
        """Send what was held."""
        start = self._started()
        body = bytes(self._held)
        self._held.clear()
        self._phase = _Phase.STREAMING if more else _Phase.COMPLETE
        await self._send_start(start["status"], list(start["headers"]))
        await self._pass_on({"type": "http.response.body", "body": body, "more_body": more})

    async def _stream(self, body: bytes, *, more: bool) -> None:
        await self._pass_on({"type": "http.response.body", "body": body, "more_body": more})
        if not more:
            self._phase = _Phase.COMPLETE
            await self._settle()

    async def _settle(self) -> None:
        await self._recorder.settle(self._call.row(self._started()["status"]))

    async def _send_problem(self, error: LatchkeyError) -> None:
        body = problem_of(error, self._call.id)
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        headers.append((b"content-type", PROBLEM_CONTENT_TYPE.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        if error.status == _UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        await self._send_start(error.status, headers)
        sent = b"" if self._call.method == "HEAD" else body
        await self._pass_on({"type": "http.response.body", "body": sent})

    async def _send_start(self, status: int, headers: Headers) -> None:
        ours = [(b"x-request-id", self._call.id.encode())]
        if self._call.grant is not None:
            ours.append((b"x-units", str(self._call.units(status)).encode()))
        theirs = [(name, value) for name, value in headers if name.lower() not in _OURS]
        await self._pass_on(
            {"type": "http.response.start", "status": status, "headers": theirs + ours}
        )

    async def _pass_on(self, message: Message) -> None:
        """To the server; a client that is gone stops a stream, and matters to nothing else."""
        try:
            await self._send(message)
        except OSError:
            self.client_gone = True
            if self._phase is _Phase.STREAMING:
                raise

    def _started(self) -> Message:
        if self._start is None:
            raise RuntimeError("the API app sent a body before its status")
        return self._start
