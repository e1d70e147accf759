"""How bodies are read: whole, up to a limit each, and up to one for all that are still coming."""

import asyncio
from typing import Any

import pytest

from app.core.errors import LatchkeyError
from app.metering.asgi import BODY_FAULT, Message
from app.metering.body import BodyReader
from app.metering.problems import BodyTooLarge, RequestTooSlow, TooManyBodies


class Sender:
    """A client that sends a body part by part, as it is told."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self) -> Message:
        return await self._messages.get()

    async def send(self, body: bytes, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def reading(bodies: BodyReader, sender: Sender, key: str = "a", **scope: Any) -> Any:
    return asyncio.create_task(bodies.read(sender.receive, {"headers": [], **scope}, key))


async def test_body_is_read_in_however_many_parts() -> None:
    sender = Sender()
    read = reading(BodyReader(10), sender)
    for part in (b"ab", b"", b"cdefgh"):
        await sender.send(part)
    await sender.send(b"ij", more=False)
    assert await read == b"abcdefghij"


@pytest.mark.parametrize("parts", [[b"12345"], [b"123", b"45"], [b"", b"", b"12345"]])
async def test_body_over_the_limit_is_refused_in_however_many_parts(parts: list[bytes]) -> None:
    sender = Sender()
    read = reading(BodyReader(4), sender)
    for place, part in enumerate(parts, 1):
        await sender.send(part, more=place < len(parts))
    with pytest.raises(BodyTooLarge):
        await read


async def test_one_key_may_have_a_quarter_of_what_is_coming_and_others_still_the_rest() -> None:
    bodies = BodyReader(10, coming_bytes=40)
    senders = [Sender() for _ in range(3)]
    first, second, other = (
        reading(bodies, sender, key) for sender, key in zip(senders, "aab", strict=True)
    )
    await senders[0].send(b"6bytes")
    await senders[1].send(b"6bytes")
    with pytest.raises(TooManyBodies):
        await asyncio.wait_for(second, 1)
    await senders[2].send(b"6bytes")
    for sender in (senders[0], senders[2]):
        await sender.send(b"end", more=False)
    assert await first == await other == b"6bytesend"
    last = Sender()
    again = reading(bodies, last, "a")  # what was counted is free again
    await last.send(b"10 bytes..")
    await last.send(b"", more=False)
    assert await again == b"10 bytes.."


async def test_all_keys_together_have_a_bound() -> None:
    bodies = BodyReader(10, coming_bytes=40)
    senders = {key: Sender() for key in "abcde"}
    reads = {key: reading(bodies, sender, key) for key, sender in senders.items()}
    for key in "abcd":
        await senders[key].send(b"10 bytes..")
    await senders["e"].send(b"1")
    with pytest.raises(TooManyBodies):
        await asyncio.wait_for(reads["e"], 1)
    for key in "abcd":
        await senders[key].send(b"", more=False)
        await reads[key]


async def test_client_that_leaves_frees_what_had_come() -> None:
    bodies = BodyReader(10, coming_bytes=40)
    for _ in range(8):
        sender = Sender()
        read = reading(bodies, sender)
        await sender.send(b"10 bytes..")
        sender._messages.put_nowait({"type": "http.disconnect"})
        with pytest.raises(LatchkeyError):
            await read
    assert (bodies._coming, bodies._coming_of) == (0, {})


@pytest.mark.parametrize("parts", [1, 2])
async def test_what_the_server_found_wrong_with_the_body_is_the_answer(parts: int) -> None:
    sender = Sender()
    fault = {BODY_FAULT: RequestTooSlow()}
    read = reading(BodyReader(10), sender, **fault)
    for part in range(1, parts + 1):
        await sender.send(b"ab", more=part < parts)
    with pytest.raises(RequestTooSlow):
        await read
