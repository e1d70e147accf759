"""A database with calls in it, and the proof that they are counted right."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.usage.verify import verify
from tests.conftest import UnitOfWork
from tests.usage.log import Log


@pytest.fixture
def log(database_url: str) -> Iterator[Log]:
    found = Log(database_url)
    found.begin()
    yield found
    found.close()


@pytest.fixture
def proof(unit_of_work: UnitOfWork) -> Any:
    """`verify`, on this test's database."""
    return verify
