"""The examples of docs/put-it-before-your-api.md, run as they stand there."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from textwrap import dedent
from types import ModuleType

import httpx
import pytest

from app.core.settings import ROOT
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.services import ROOT as ROOT_KEY
from tests.metering.services import start_service
from tests.metering.upstream import listening, proxy_to
from tests.portal import free_port

PAGE = (ROOT / "docs" / "put-it-before-your-api.md").read_text()


def example(name: str) -> str:
    """The indented block whose first line names this file, up to the shell lines after it."""
    found = re.search(rf"^    # {re.escape(name)}\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
    assert found is not None
    return re.split(r"\n\n(?=API_APP|python )", dedent(found[1]))[0]


async def test_app_of_the_docs_says_what_its_call_costs(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("yourpackage_main")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(example("yourpackage/main.py"), module.__dict__)  # it is our own page
    meter = await start_meter(module.app)
    reply = await ask(meter, "GET", "/api/v1/translate/word", key=live_key.secret)
    assert reply.json() == {"word": "drow", "for": live_key.owner_id}
    [row] = await tables.calls()
    assert (row["endpoint"], row["units"]) == ("/api/v1/translate/{word}", 4)


@pytest.fixture
def documented_upstream() -> Iterator[str]:
    port = free_port()
    code = example("upstream.py").replace("9000", str(port))
    with subprocess.Popen([sys.executable, "-c", code]) as server:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
            client.head(url)
        yield url
        server.terminate()


async def test_upstream_of_the_docs_says_what_its_call_costs(
    start_meter: StartMeter, live_key: Key, tables: Tables, documented_upstream: str
) -> None:
    meter = await start_meter(proxy_to(documented_upstream))
    reply = await ask(meter, "GET", "/api/v1/hello", key=live_key.secret)
    assert reply.body == f"hello, {live_key.owner_id}".encode()
    assert [row["units"] for row in await tables.calls()] == [3]


async def test_service_of_the_docs_asks_and_reports(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("service")
    exec(example("service.py"), module.__dict__)  # it is our own page
    meter = await start_service(start_meter)
    monkeypatch.setenv("ROOT_KEY", ROOT_KEY)
    async with listening(meter) as port:
        monkeypatch.setenv("LATCHKEY_URL", f"http://127.0.0.1:{port}")
        said = await asyncio.to_thread(module.hello, live_key.secret, "127.0.0.1")
        refused = await asyncio.to_thread(module.hello, "x", "127.0.0.1")
    assert (said, refused) == (f"hello, {live_key.owner_id}", "invalid_key")
    [row] = await tables.calls()
    assert (row["endpoint"], row["statusCode"], row["latencyMs"], row["units"]) == (
        "/hello",
        200,
        7,
        2,
    )
