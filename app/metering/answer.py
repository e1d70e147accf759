"""The gate between the inner app and the client: nothing leaves before the row is committed."""

import asyncio

from app.core.errors import LatchkeyError, problem_of
from app.metering.asgi import OURS, Exchange, Headers, Message, Send, content_type_of
from app.metering.call import Call
from app.metering.floods import PAUSE_SECONDS, repeats
from app.metering.problems import ClientGone, OutcomeUnknown, RecordingUnavailable
from app.metering.recorder import CallRow, Recorder, Repeated
from app.metering.redaction import Mode, stored_body
from app.metering.replies import problem_headers, uncached
from app.metering.wire import DatabaseUnavailable

HELD_BYTES = 64 * 1024
"""Answers up to this size are held whole until their row is committed."""

_FIRST_FAILURE = 500
_HOLDING, _STREAMING, _COMPLETE = range(3)


class Answer:
    """One answer: held, or streamed, but in any case recorded before its first byte leaves.

    An answer is streamed if it comes in parts and did not declare a length within HELD_BYTES:
    then its row has the status and units known at the first part, and the latency follows.
    A whole answer over an `exchange` leaves by itself when its row is committed: the app that
    sent it is not kept waiting, which spares a task's waking.
    """

    __slots__ = (
        "_call",
        "_exchange",
        "_has_place",
        "_head",
        "_held",
        "_is_written",
        "_mode",
        "_phase",
        "_recorder",
        "_send",
        "_start",
        "client_gone",
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        send: Send,
        recorder: Recorder,
        mode: Mode = "off",
        exchange: Exchange | None = None,
    ) -> None:
        self._call = call
        self._exchange = exchange
        self._head = b""
        self._send = send
        self._recorder = recorder
        self._mode = mode
        self._has_place = False
        self._is_written = False
        self._start: Message | None = None
        self._held: bytes | bytearray = b""
        self._phase = _HOLDING
        self.client_gone = False

    @property
    def is_complete(self) -> bool:
        """Whether all of the answer has left, or will by itself."""
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
            headers = message.get("headers")  # may be left out, or be read once only
            if type(headers) is not list:
                headers = list(map(tuple, headers or ()))
            self._start = {**message, "headers": uncached(headers)}
        elif message["type"] == "http.response.body":
            body, more = message.get("body", b""), message.get("more_body", False)
            if more or self._phase != _HOLDING or not self._hand_over(body):
                await self._take(body, more=more)

    async def refuse(self, error: LatchkeyError, *, is_early: bool = False) -> None:
        """Answer with this problem instead, recorded if the key is known.

        `is_early`: before any work. Such refusals may come in floods, and share a row then.
        """
        try:
            if self._is_written:
                # Whoever sent the answer gave up while its row was being written.
                if not isinstance(error, RecordingUnavailable | ClientGone):
                    error = OutcomeUnknown()
            elif self._call.grant is not None and not isinstance(error, RecordingUnavailable):
                await self.record_refusal(error.status, is_early=is_early)
        except RecordingUnavailable as unavailable:
            error = unavailable
        self._phase = _COMPLETE
        self._give_place_back()
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
        elif self.is_streaming:
            self._phase = _COMPLETE
            self._recorder.settle_later(self._call.end(is_aborted=True))

    def _hand_over(self, body: bytes) -> bool:
        """Let the whole answer leave by itself once its row is committed, if that can be."""
        call, exchange, start = self._call, self._exchange, self._started()
        if exchange is None or not self._has_place or call.refusal or call.claim:
            return False
        if not exchange.is_writable:
            return False
        size = len(self._held) + len(body)
        head = exchange.frame(start["status"], start["headers"], size)
        if head is None:
            return False
        self._head = head
        self._hold(body)
        row = self._row(start["status"], is_whole=True)
        self._phase, self._has_place = _COMPLETE, False
        exchange.promise()
        self._recorder.write_then(row, self._leave)
        return True

    def _leave(self, error: DatabaseUnavailable | None) -> None:
        """The row is committed, or nobody can say: answer."""
        call, exchange = self._call, self._exchange
        grant = call.grant
        if grant is None or exchange is None:
            raise RuntimeError("only a call with a known key is handed over")
        self._recorder.give_back(grant)
        if error is None:
            exchange.respond(self._head, call.lines(self._started()["status"]), self._held)
            return
        unknown = OutcomeUnknown()
        headers, body = self._problem(unknown)
        head = exchange.frame(unknown.status, headers, len(body)) or b""
        exchange.respond(head, call.lines(unknown.status), body)

    async def _take(self, body: bytes, *, more: bool) -> None:
        if self._phase == _HOLDING:
            self._hold(body)
            if more and self._may_hold_on():
                return
            status = self._started()["status"]
            if self._call.refusal is not None and status >= _FIRST_FAILURE:
                # The app let our refusal through, and its framework made a failure of it.
                await self.refuse(self._call.refusal)
                return
            try:
                await self.record(status, is_whole=not more)
            except RecordingUnavailable as unavailable:
                await self.refuse(unavailable)
            else:
                await self._let_go(more=more)
        elif self._phase == _STREAMING:
            await self._stream(body, more=more)

    def _hold(self, body: bytes) -> None:
        if not self._held:
            self._held = body
        elif isinstance(self._held, bytearray):
            self._held += body
        else:
            self._held = bytearray().join((self._held, body))

    def _may_hold_on(self) -> bool:
        """Whether to wait for more: to keep the answer, or because it is known to be small."""
        claim = self._call.claim
        if claim is not None and claim.holds(self._started(), len(self._held)):
            return True
        for name, value in self._started()["headers"]:
            if name.lower() == b"content-length":
                return int(value) <= HELD_BYTES and len(self._held) <= HELD_BYTES
        return False

    async def record_refusal(self, status: int, *, is_early: bool) -> None:
        """Commit that the call was refused with this status. Raises RecordingUnavailable."""
        grant = self._call.grant
        times = repeats(self._call, grant, status) if is_early and grant is not None else 1
        if times == 1:
            await self.record(status)
        else:
            self._give_place_back()
            await asyncio.sleep(PAUSE_SECONDS)
            await self._recorder.repeat(Repeated(self._call.id, times))

    def _give_place_back(self) -> None:
        """No row will be written."""
        if self._has_place and self._call.grant is not None:
            self._has_place = False
            self._recorder.give_back(self._call.grant)

    async def record(self, status: int, *, is_whole: bool = False) -> None:
        """Commit the row of an answer with this status. Raises RecordingUnavailable.

        `is_whole`: what is held is all that the inner app answers.
        """
        grant = self._call.grant
        if grant is None:
            raise RuntimeError("only a call with a known key has a row")
        had_place = self._has_place
        if not had_place:
            self._recorder.take_place(grant)
        # from here on the row is written, whoever still waits
        self._has_place, self._is_written = False, True
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
        if call.claim is not None and is_whole:
            call.claim.keep(self._started(), self._held)
        if mode == "off":
            return call.row(status)
        sensitive = call.route.sensitive
        request = answer = None
        if call.request_body:
            request = stored_body(
                call.request_body, call.request_type, sensitive=sensitive, mode=mode
            )
        if is_whole and len(self._held) <= HELD_BYTES:
            kind = content_type_of(self._started()["headers"])
            answer = stored_body(bytes(self._held), kind, sensitive=sensitive, mode=mode)
        return call.row(status, request, answer)

    async def _let_go(self, *, more: bool) -> None:
        """Send what was held."""
        start = self._started()
        body, self._held = bytes(self._held), b""
        self._phase = _STREAMING if more else _COMPLETE
        await self._send_start(start["status"], start["headers"])
        await self._pass_on({"type": "http.response.body", "body": body, "more_body": more})

    async def _stream(self, body: bytes, *, more: bool) -> None:
        await self._pass_on({"type": "http.response.body", "body": body, "more_body": more})
        if not more:
            self._phase = _COMPLETE
            await self._recorder.settle(self._call.end(is_aborted=False))

    async def _send_problem(self, error: LatchkeyError) -> None:
        headers, body = self._problem(error)
        await self._send_start(error.status, headers)
        sent = b"" if self._call.method == "HEAD" else body
        await self._pass_on({"type": "http.response.body", "body": sent})

    def _problem(self, error: LatchkeyError) -> tuple[Headers, bytes]:
        self._recorder.refused[error.code] += 1
        body = problem_of(error, self._call.id)
        return problem_headers(error, body), body

    async def _send_start(self, status: int, headers: Headers) -> None:
        all_headers = [*_not_ours(headers), *self._call.headers(status)]
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


def _not_ours(headers: Headers) -> Headers:
    """The inner app's headers but for those that only we may say."""
    return [header for header in headers if header[0].lower() not in OURS]
