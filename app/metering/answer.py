"""The gate between the inner app and the client: nothing leaves before the row is committed."""

import asyncio

from app.core.errors import PROBLEM_CONTENT_TYPE, LatchkeyError, problem_of
from app.metering.asgi import Headers, Message, Send, content_type_of
from app.metering.call import Call
from app.metering.floods import PAUSE_SECONDS, repeats
from app.metering.problems import ClientGone, OutcomeUnknown, RecordingUnavailable
from app.metering.recorder import CallRow, Recorder, Repeated
from app.metering.redaction import Mode, stored_body

HELD_BYTES = 64 * 1024
"""Answers up to this size are held whole until their row is committed."""

_UNAUTHORIZED = 401
_FIRST_FAILURE = 500
_OURS = frozenset(
    {
        b"x-request-id",
        b"x-units",
        b"x-quota-remaining",
        b"x-trial-ends",
        b"ratelimit",
        b"ratelimit-policy",
    }
)
_HOLDING, _STREAMING, _COMPLETE = range(3)


class Answer:
    """One answer: held, or streamed, but in any case recorded before its first byte leaves.

    An answer is streamed if it comes in parts and did not declare a length within HELD_BYTES:
    then its row has the status and units known at the first part, and the latency follows.
    """

    __slots__ = (
        "_call",
        "_has_place",
        "_held",
        "_mode",
        "_phase",
        "_recorder",
        "_send",
        "_start",
        "client_gone",
    )  # fmt: skip

    def __init__(self, call: Call, send: Send, recorder: Recorder, mode: Mode = "off") -> None:
        self._call = call
        self._send = send
        self._recorder = recorder
        self._mode = mode
        self._has_place = False
        self._start: Message | None = None
        self._held = b""
        self._phase = _HOLDING
        self.client_gone = False

    @property
    def is_complete(self) -> bool:
        """Whether all of the answer has left."""
        return self._phase == _COMPLETE

    @property
    def is_streaming(self) -> bool:
        """Whether the answer has begun to leave and is not complete."""
        return self._phase == _STREAMING

    def take_place(self) -> None:
        """Make sure, before the work, of room for the row. Raises RecordingUnavailable."""
        if self._call.grant is not None:
            self._recorder.take_place(self._call.grant)
            self._has_place = True

    async def send(self, message: Message) -> None:
        """The inner app's `send`. What is neither a start nor a body has no place here."""
        if message["type"] == "http.response.start" and self._phase == _HOLDING:
            self._start = message
        elif message["type"] == "http.response.body":
            await self._take(message.get("body", b""), more=message.get("more_body", False))

    async def refuse(self, error: LatchkeyError, *, is_early: bool = False) -> None:
        """Answer with this problem instead, recorded if the key is known.

        `is_early`: before any work. Such refusals may come in floods, and share a row then.
        """
        try:
            if self._call.grant is not None and not isinstance(error, RecordingUnavailable):
                await self._record_refusal(error.status, is_early=is_early)
        except RecordingUnavailable as unavailable:
            error = unavailable
        self._phase = _COMPLETE
        if not isinstance(error, ClientGone):
            await self._send_problem(error)

    async def break_off(self) -> None:
        """The streamed answer ends here, incomplete."""
        self._phase = _COMPLETE
        await self._recorder.settle(self._call.end(is_aborted=True))

    def abandon(self) -> None:
        """Whoever ran us no longer waits: record what there is, if nothing was, and let go."""
        if self._has_place:
            self._has_place = False
            self._recorder.write_later(self._call.row(ClientGone.status))

    async def _take(self, body: bytes, *, more: bool) -> None:
        if self._phase == _HOLDING:
            self._held = self._held + body if self._held else body
            if more and self._declares_little():
                return
            status = self._started()["status"]
            if self._call.refusal is not None and status >= _FIRST_FAILURE:
                # The app let our refusal through, and its framework made a failure of it.
                await self.refuse(self._call.refusal)
                return
            try:
                await self._record(status, is_whole=not more)
            except RecordingUnavailable as unavailable:
                await self.refuse(unavailable)
            else:
                await self._let_go(more=more)
        elif self._phase == _STREAMING:
            await self._stream(body, more=more)

    def _declares_little(self) -> bool:
        """Whether the whole answer is known to be small enough to hold."""
        for name, value in self._started()["headers"]:
            if name.lower() == b"content-length":
                return int(value) <= HELD_BYTES and len(self._held) <= HELD_BYTES
        return False

    async def _record_refusal(self, status: int, *, is_early: bool) -> None:
        grant = self._call.grant
        times = repeats(self._call, grant, status) if is_early and grant is not None else 1
        if times == 1:
            await self._record(status)
        else:
            if self._has_place and grant is not None:
                self._has_place = False
                self._recorder.give_back(grant)
            await asyncio.sleep(PAUSE_SECONDS)
            await self._recorder.repeat(Repeated(self._call.id, times))

    async def _record(self, status: int, *, is_whole: bool = False) -> None:
        """Commit the row of an answer with this status. Raises RecordingUnavailable.

        `is_whole`: what is held is all that the inner app answers.
        """
        grant = self._call.grant
        if grant is None:
            raise RuntimeError("only a call with a known key has a row")
        had_place = self._has_place
        if not had_place:
            self._recorder.take_place(grant)
        self._has_place = False  # from here on the row is written, whoever still waits
        try:
            await self._recorder.write(self._row(status, is_whole=is_whole))
        except RecordingUnavailable as error:
            if had_place:
                raise OutcomeUnknown from error
            raise
        finally:
            self._recorder.give_back(grant)

    def _row(self, status: int, *, is_whole: bool) -> CallRow:
        """The row, with what may be stored of the bodies."""
        call, mode = self._call, self._mode
        if mode == "off":
            return call.row(status)
        sensitive = call.route.sensitive
        request = stored_body(call.request_body, call.request_type, sensitive=sensitive, mode=mode)
        answer = None
        if is_whole and len(self._held) <= HELD_BYTES:
            kind = content_type_of(self._started()["headers"])
            answer = stored_body(self._held, kind, sensitive=sensitive, mode=mode)
        return call.row(status, request, answer)

    async def _let_go(self, *, more: bool) -> None:
        """Send what was held."""
        start = self._started()
        body, self._held = self._held, b""
        self._phase = _STREAMING if more else _COMPLETE
        await self._send_start(start["status"], start["headers"])
        await self._pass_on({"type": "http.response.body", "body": body, "more_body": more})

    async def _stream(self, body: bytes, *, more: bool) -> None:
        await self._pass_on({"type": "http.response.body", "body": body, "more_body": more})
        if not more:
            self._phase = _COMPLETE
            await self._recorder.settle(self._call.end(is_aborted=False))

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
        all_headers = [header for header in headers if header[0].lower() not in _OURS]
        all_headers += self._call.headers(status)
        await self._pass_on(
            {"type": "http.response.start", "status": status, "headers": all_headers}
        )

    async def _pass_on(self, message: Message) -> None:
        """To the server; a client that is gone stops a stream, and matters to nothing else."""
        try:
            await self._send(message)
        except OSError:
            self.client_gone = True
            if self._phase == _STREAMING:
                raise

    def _started(self) -> Message:
        if self._start is None:
            raise RuntimeError("the API app sent a body before its status")
        return self._start
