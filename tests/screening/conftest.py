"""The sample list, a list of our own, and a client that speaks to the API in process."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.screening.api import make_api
from app.screening.lists import Watchlist, load_watchlists

ListFile = Callable[..., Path]


@pytest.fixture(scope="session")
def sample() -> tuple[Watchlist, ...]:
    return load_watchlists(None)


@pytest.fixture
def screening(sample: tuple[Watchlist, ...]) -> FastAPI:
    return make_api(lambda: sample)


@pytest.fixture
async def client(screening: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(screening) as made:
        yield made


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://screening")


@pytest.fixture
def list_file(tmp_path: Path) -> ListFile:
    """Writes a list file; entities are valid but for what a test says."""

    def write(*entities: dict[str, Any], name: str = "list", **header: Any) -> Path:
        path = tmp_path / f"{name}.jsonl"
        lines = [{"format": "latchkey-list/1", "version": "v1", **header}]
        for number, entity in enumerate(entities, 1):
            lines.append({"id": f"e{number}", "type": "person", "name": "Ada Example", **entity})
        path.write_text("\n".join(map(json.dumps, lines)))
        return path

    return write
