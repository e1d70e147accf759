"""The document's query "track a call"."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from app.models import ApiCall
from app.usage.repository import track_call
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_user
from tests.statements import counted_statements

CALL = {"endpoint": "/api/v1/screen", "method": "POST", "status_code": 200, "latency_ms": 45}


async def test_tracked_call_is_read_back(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        key, _ = await make_key(session, await make_user(session))
        call_id = await track_call(session, key.id, **CALL, units=2, request_body={"name": "Ünal"})
    async with unit_of_work() as session:
        call = (await session.exec(select(ApiCall))).one()
    assert call.id == call_id
    assert call.model_dump(include=set(CALL)) == CALL
    assert (call.api_key_id, call.units, call.owner_id) == (key.id, 2, None)
    assert (call.request_body, call.response_body) == ({"name": "Ünal"}, None)


async def test_tracking_a_call_takes_one_statement(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        key, _ = await make_key(session, await make_user(session))
    async with unit_of_work() as session:
        with counted_statements() as statements:
            await track_call(session, key.id, **CALL)
    assert len(statements) == 1


async def test_call_of_an_unknown_key_is_refused(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        with pytest.raises(IntegrityError, match="ApiCall_apiKeyId_fkey"):
            await track_call(session, "nobody", **CALL)
        await session.rollback()


@pytest.mark.parametrize(
    "call_id",
    [
        "",
        "!",
        "0",
        "00000000-0000-4000-8000-000000000000",
        "0fffffff-ffff-4fff-8fff-ffffffffffff",
        "1",
        "tz4a98xxat96iws9zmbrgj3a",
        "ffffffff-ffff-4fff-8fff-ffffffffffff",
        "~",
        "Ünal",
        "日本",
    ],
)
async def test_any_text_is_an_id_and_is_unique(unit_of_work: UnitOfWork, call_id: str) -> None:
    async with unit_of_work() as session:
        key, _ = await make_key(session, await make_user(session))
        session.add(ApiCall(id=call_id, api_key_id=key.id, **CALL))
        await session.flush()
        assert (await session.exec(select(ApiCall.id))).all() == [call_id]
        session.expunge_all()
        session.add(ApiCall(id=call_id, api_key_id=key.id, **CALL))
        with pytest.raises(IntegrityError, match="_pkey"):
            await session.flush()
        await session.rollback()
