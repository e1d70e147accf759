"""The names of a person and of their company."""

import pytest

from app.accounts.profile import LONGEST_NAME, clean_name, update_profile
from app.core.errors import InvalidRequest
from app.models import User
from tests.conftest import UnitOfWork
from tests.factories import make_user

HIDDEN = ["a\u202eb", "a\u200bb", "a\x00b", "\x1b[31m", "\ud800"]


async def saved(unit_of_work: UnitOfWork, user_id: str) -> tuple[str | None, str | None]:
    async with unit_of_work() as session:
        user = await session.get_one(User, user_id)
        return user.name, user.company


async def test_names_are_kept_with_single_spaces(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        await update_profile(session, user.id, name="  Ada \t Lovelace\n", company="Engines")
    assert await saved(unit_of_work, user.id) == ("Ada Lovelace", "Engines")


async def test_empty_name_takes_it_away_and_none_leaves_it(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, name="Ada", company="Engines")
        await update_profile(session, user.id, name="  ")
    assert await saved(unit_of_work, user.id) == (None, "Engines")


@pytest.mark.parametrize("wrong", [*HIDDEN, "x" * (LONGEST_NAME + 1)])
async def test_wrong_name_is_refused_by_its_field_and_changes_nothing(
    unit_of_work: UnitOfWork, wrong: str
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, name="Ada", company="Engines")
    with pytest.raises(InvalidRequest) as refused:
        async with unit_of_work() as session:
            await update_profile(session, user.id, name="Grace", company=wrong)
    assert set(refused.value.fields) == {"company"}
    assert await saved(unit_of_work, user.id) == ("Ada", "Engines")


@pytest.mark.parametrize("wrong", [*HIDDEN, "x" * (LONGEST_NAME + 1), " "])
def test_sign_up_leaves_such_a_name_out(wrong: str) -> None:
    assert clean_name(wrong) is None
