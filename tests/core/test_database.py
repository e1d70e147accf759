"""The engine and the unit of work."""

import pytest
from sqlmodel import select

from app.core import database
from app.models import User
from tests.conftest import UnitOfWork
from tests.factories import make_user


async def test_a_unit_of_work_commits_at_its_end(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
    async with unit_of_work() as session:
        assert (await session.exec(select(User.email))).all() == [user.email]


async def test_an_error_rolls_the_unit_of_work_back(unit_of_work: UnitOfWork) -> None:
    async def fail_halfway() -> None:
        async with unit_of_work() as session:
            await make_user(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_halfway()
    async with database.unit_of_work() as session:
        assert (await session.exec(select(User))).all() == []
