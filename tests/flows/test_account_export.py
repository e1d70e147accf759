"""An export holds all that we have of one customer, and nothing of anybody else."""

import io
import json
import tracemalloc
import zipfile
from typing import Any

import psycopg
import pytest
from sqlalchemy import inspect

from app.core.errors import NotFound
from app.flows import account_export
from app.flows.account_export import ExportBusy, export_account
from app.flows.export_parts import LEFT_OUT, PARTS, Part
from app.models import KeyExposure, KeyLeak, User
from app.trials.claims import subjects_of
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_user
from tests.flows.customers import Customer, furnish

TABLES = {mapper.class_ for mapper in User.__mapper__.registry.mappers}  # type: ignore[attr-defined]  # set by table=True
PREFIXES: dict[Any, str] = {KeyLeak: "leak_", KeyExposure: "exposure_"}
LEADS_ON = {"user_id", "owner_id", "workspace_id", "key_id", "call_id", "session_id"} | {
    f"{prefix}key_id" for prefix in PREFIXES.values()
}
"""Ids that only lead to a row of the same file, or to the account itself."""

_FILL = """
    INSERT INTO "ApiCall" (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs", units,
        "requestBody")
    SELECT latchkey.first_call_id(now() AT TIME ZONE 'UTC') || '-7000-8000-' || n, %s, '/a', 'GET',
        200, 1, 1, jsonb_build_object('text', repeat(md5(n::text), 256))
    FROM generate_series(1, %s) AS n
"""


@pytest.fixture
async def two(unit_of_work: UnitOfWork) -> list[Customer]:
    async with unit_of_work() as session:
        return [
            await furnish(session, await make_user(session, email=email))
            for email in ("Grace@example.com", "ada@example.com")
        ]


async def exported(user_id: str) -> dict[str, bytes]:
    pieces = [piece async for piece in await export_account(user_id)]
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_zip_holds_all_of_the_customer_and_nothing_of_the_other(two: list[Customer]) -> None:
    asking, other = two
    files = await exported(asking.user.id)
    whole = b"\n".join(files.values()).decode()
    assert {name for name in asking.names if name not in whole} == set()
    others = other.names | set(subjects_of(other.user))
    assert {name for name in others if name in whole} == set()
    assert {one for one in asking.secrets | other.secrets if one in whole} == set()


async def test_every_file_can_be_read_and_is_explained(two: list[Customer]) -> None:
    files = await exported(two[0].user.id)
    readme = files.pop("README.txt").decode()
    assert list(files) == [part.file for part in PARTS]
    for name, content in files.items():
        rows = (
            [json.loads(line) for line in content.splitlines()]
            if name.endswith(".ndjson")
            else json.loads(content)
        )
        assert rows, f"{name} is empty, and the customer has something of everything"
        assert name in readme
    [account] = json.loads(files["account.json"])
    assert (account["email"], account["updated_at"][-6:]) == ("Grace@example.com", "+00:00")
    [call] = [json.loads(line) for line in files["calls.ndjson"].splitlines()]
    assert (call["units"], call["times"]) == (1, 3)
    assert [row["calls"] for row in json.loads(files["usage_periods.json"])] == [1, 1]


def test_every_table_is_exported_or_left_out_with_a_reason() -> None:
    shown = {model for part in PARTS for model in part.models}
    assert shown | set(LEFT_OUT) == TABLES
    assert shown & set(LEFT_OUT) == set()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.file)
def test_every_column_is_exported_or_withheld_with_a_reason(part: Part) -> None:
    shown = set(part.rows(User(id="x", email="x@example.com")).selected_columns.keys())
    known = {
        PREFIXES.get(model, "") + one.key
        for model in part.models
        for one in inspect(model).column_attrs
    }
    assert known - shown - set(part.withheld) <= LEADS_ON
    assert set(part.withheld) & shown == set()


async def test_memory_does_not_grow_with_the_number_of_calls(
    unit_of_work: UnitOfWork, database_url: str, report: Any
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        key, _ = await make_key(session, user)
    with psycopg.connect(database_url) as admin:
        admin.execute(_FILL, [key.id, 2_000])
    tracemalloc.start()
    size = 0
    try:
        async for piece in await export_account(user.id):
            size += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 100_000
    assert peak < 8_000_000  # the calls are 17 MB of JSON
    report(f"Export of 2,000 large calls: {size:,} bytes of zip, at most {peak:,} bytes of memory")


async def test_process_makes_only_some_exports_at_a_time(
    two: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_export, "MOST_AT_ONCE", 1)
    first = await export_account(two[0].user.id)
    await anext(first)
    with pytest.raises(ExportBusy):
        await export_account(two[1].user.id)
    await first.aclose()  # as the server does when the client has gone
    assert await exported(two[1].user.id)


async def test_account_that_is_gone_has_no_export(unit_of_work: UnitOfWork) -> None:
    with pytest.raises(NotFound):
        await export_account("nobody")
