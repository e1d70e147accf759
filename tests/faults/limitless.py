"""The API in a process of its own for all tests of a module, with keys that meet no limit."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from app.core import database
from app.core.crypto import sha256_hex
from app.keys.format import new_key
from tests.conftest import TEMPLATE, new_database
from tests.factories import make_key, make_user
from tests.faults.api_process import ApiProcess

_AT_WILL = (sys.executable, str(Path(__file__).with_name("at_will.py")))


@dataclass
class Place:
    """A running API, its database, and (id, secret) of keys in it."""

    api: ApiProcess
    database_url: str
    keys: dict[str, tuple[str, str]]
    root_key: str

    @property
    def url(self) -> str:
        return self.api.url

    def secret(self, name: str) -> str:
        return self.keys[name][1]

    def rows(self, name: str) -> list[tuple[str, int]]:
        """(id, status) of each recorded call of this key, in order."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(
                'SELECT id, "statusCode" FROM "ApiCall" WHERE "apiKeyId" = %s ORDER BY id',
                [self.keys[name][0]],
            ).fetchall()


@contextmanager
def running_place(postgres: str, folder: Path, *names: str) -> Iterator[Place]:
    """Start it, with a key of each name, each of another customer; `revoked` is revoked."""
    with new_database(postgres, TEMPLATE) as url:
        database.point_at(url)
        keys = asyncio.run(_make_keys(names))
        root_key = new_key("root")
        api = ApiProcess(url, folder, program=_AT_WILL, ROOT_KEYS=sha256_hex(root_key))
        place = Place(api, url, keys, root_key)
        try:
            asyncio.run(place.api.start())
            yield place
        finally:
            asyncio.run(place.api.stop())
            database.point_at(None)


async def _make_keys(names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    made: dict[str, tuple[str, str]] = {}
    async with database.unit_of_work() as session:
        for name in names:
            changes: dict[str, Any] = {"status": "revoked"} if name == "revoked" else {}
            row, secret = await make_key(session, await make_user(session), **changes)
            made[name] = row.id, secret
    await database.dispose()
    return made
