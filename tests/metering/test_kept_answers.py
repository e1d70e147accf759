"""How much of an answer is kept, and what is said of one that was not, or cannot be read."""

import logging
from functools import partial
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet

from app.core.secret_key import make_cipher
from app.core.settings import Settings
from app.metering.asgi import Message, Receive, Scope, Send
from app.metering.kept_answer import MOST_BYTES, Budget
from app.metering.meter import Meter
from tests.metering.apps import App, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.keyed import code_of, counting, keyed, records


class Parts(App):
    """Answers in these parts; notes how many messages had left when each was given."""

    def __init__(self, parts: list[bytes], status: int = 200, **headers: str) -> None:
        super().__init__(self._serve)
        self.parts, self.status, self.headers = parts, status, headers
        self.left: list[Message] = []
        self.counts: list[int] = []

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, self.status, **self.headers)
        for number, part in enumerate(self.parts, 1):
            await body(send, part, more=number < len(self.parts))
            self.counts.append(len(self.left))

    async def ask(self, meter: Meter, key: Key, *, name: str = "order-1") -> Any:
        return await ask(meter, key=key.secret, headers=keyed(name), on_message=self.left.append)


def held(meter: Meter) -> int:
    """How much of a million bytes is held."""
    return 1_000_000 - meter.once.claims.budget._left


async def test_streamed_answer_is_held_and_given_again_whole(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Parts([b"a" * 60_000, b"b" * 60_000, b"c"])
    meter = await start_keyed(inner)
    first, second = [await inner.ask(meter, live_key) for _ in range(2)]
    assert first.body == second.body == b"".join(inner.parts)
    assert inner.counts == [0, 0, 2]
    assert (inner.calls, await records(tables)) == (1, [(True, True)])


@pytest.mark.parametrize("parts", [[b"x" * MOST_BYTES], [b"x" * (MOST_BYTES - 1), b"x"]])
async def test_answer_of_1_mib_is_kept(
    start_keyed: StartMeter, live_key: Key, parts: list[bytes]
) -> None:
    inner = Parts(parts)
    meter = await start_keyed(inner)
    replies = [await inner.ask(meter, live_key) for _ in range(2)]
    assert [len(reply.body) for reply in replies] == [MOST_BYTES, MOST_BYTES]
    assert inner.calls == 1


@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        ([b"x" * (MOST_BYTES + 1)], [2]),
        ([b"x" * MOST_BYTES, b"x", b"x"], [0, 2, 3]),
    ],
)
async def test_larger_answer_leaves_as_it_comes_and_is_done_though_not_kept(
    start_keyed: StartMeter,
    live_key: Key,
    tables: Tables,
    parts: list[bytes],
    counts: list[int],
) -> None:
    inner = Parts(parts)
    meter = await start_keyed(inner)
    first = await inner.ask(meter, live_key)
    assert (first.body, inner.counts) == (b"".join(parts), counts)
    assert await records(tables) == [(True, False)]
    again = await inner.ask(meter, live_key)
    assert code_of(again) == (409, "idempotency_conflict")
    assert (
        f"answered as call {first.request_id}, and its answer was too large"
        in again.json()["detail"]
    )
    assert inner.calls == 1


async def test_streamed_answer_that_is_no_2xx_is_not_held(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Parts([b"a", b"b"], 404)
    meter = await start_keyed(inner)
    await inner.ask(meter, live_key)
    assert (inner.counts, await records(tables)) == ([2, 3], [])


async def test_no_more_is_held_than_the_budget_allows(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Parts([b"x" * 600_000, b"x"])
    meter = await start_keyed(inner)
    meter.once.claims.budget = Budget(1_000_000)
    seen: list[int] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if inner.calls == 1:  # a second call while the first one is held
            await start(send)
            await body(send, b"x" * 600_000, more=True)
            seen.append(held(meter))
            await inner.ask(meter, live_key, name="order-2")
            seen.append(held(meter))
            await body(send, b"x")
        else:
            await start(send)
            await body(send, b"y" * 600_000)

    inner.serve = serve
    await inner.ask(meter, live_key)
    assert seen == [600_000, 600_000]
    assert held(meter) == 0
    assert sorted(await records(tables)) == [(True, False), (True, True)]


async def test_nothing_is_held_once_the_answer_has_ended(
    start_keyed: StartMeter, live_key: Key
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"x" * 10_000, more=True)
        if scope["query_string"] == b"fail":
            raise LookupError
        await body(send, b"x")

    meter = await start_keyed(App(serve))
    meter.once.claims.budget = Budget(1_000_000)
    for query in ("", "", "fail", "fail"):
        await ask(meter, key=live_key.secret, headers=keyed(query or "a"), query=query)
    assert held(meter) == 0


async def test_answer_is_given_again_when_there_is_room_for_it(
    start_keyed: StartMeter, live_key: Key
) -> None:
    inner = Parts([b"x" * 100_000])
    meter = await start_keyed(inner)
    await inner.ask(meter, live_key)
    meter.once.claims.budget = Budget(100_000)
    reply = await inner.ask(meter, live_key)
    assert code_of(reply) == (503, "recording_unavailable")
    meter.once.claims.budget = Budget(1_000_000)
    assert (await inner.ask(meter, live_key)).status == 200
    assert (inner.calls, held(meter)) == (1, 0)


async def test_rotated_secret_key_still_reads_what_is_kept(
    start_keyed: StartMeter, live_key: Key
) -> None:
    old, new = "o" * 32, "n" * 32
    inner = counting()
    for keys in (old, f"{new},{old}"):
        cipher = partial(make_cipher, Settings(secret_key=keys), "kept answers")
        meter = await start_keyed(inner, cipher=cipher)
        assert (await ask(meter, key=live_key.secret, headers=keyed())).body == b"work 1"


async def test_answer_that_cannot_be_read_any_more_is_told_and_not_worked_on_again(
    start_keyed: StartMeter, live_key: Key, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    inner = counting()
    first = await ask(await start_keyed(inner), key=live_key.secret, headers=keyed())
    lost = MultiFernet([Fernet(Fernet.generate_key())])
    meter = await start_keyed(inner, cipher=lambda: lost)
    meter.once.claims.budget = Budget(1_000_000)
    with caplog.at_level(logging.ERROR):
        reply = await ask(meter, key=live_key.secret, headers=keyed())
    assert code_of(reply) == (409, "idempotency_conflict")
    assert f"call {first.request_id}, and its answer cannot be read" in reply.json()["detail"]
    assert "SECRET_KEY that is not set here" in caplog.text
    assert (inner.calls, held(meter)) == (1, 0)
    assert [row["units"] for row in await tables.calls()] == [1, 0]
    # a new request with a new key works
    assert (await ask(meter, key=live_key.secret, headers=keyed("order-2"))).status == 201


def test_budget_is_never_overdrawn() -> None:
    budget = Budget(10)
    assert [budget.take(count) for count in (6, 5, 4, 1)] == [True, False, True, False]
    budget.give_back(4)
    assert budget.take(4)
