"""The page on which anybody reports a key: it acts, and says and keeps nothing."""

import logging
from typing import Any

import pytest
from sqlalchemy import text

from app.api import report_key
from app.billing.plans import ExposureTerms, Plans, get_plans
from app.keys import reports
from app.keys.format import new_key
from app.models import ApiKeyMetadata, KeyExposure
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_user


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "ANSWER_SECONDS", 0.005)


@pytest.fixture
async def key(unit_of_work: UnitOfWork) -> tuple[ApiKeyMetadata, str]:
    async with unit_of_work() as session:
        return await make_key(session, await make_user(session), label="production")


async def exposure(unit_of_work: UnitOfWork, key_id: str) -> KeyExposure | None:
    async with unit_of_work() as session:
        return await session.get(KeyExposure, key_id)


async def test_page_has_a_form_that_sends_the_key_in_its_body(visitor: Any) -> None:
    page = await visitor.get("/report-key")
    assert page.status_code == 200
    assert 'method="post" action="/report-key"' in page.text
    assert page.text.count("<form") == 1
    assert page.headers["cache-control"] == "no-store"


async def test_genuine_key_ends_in_a_day_and_the_place_is_kept_harmless(
    visitor: Any, unit_of_work: UnitOfWork, key: tuple[ApiKeyMetadata, str]
) -> None:
    row, secret = key
    answer = await visitor.post(
        "/report-key", data={"key": f"API_KEY={secret}\n", "place": "https://a.example/x"}
    )
    assert answer.status_code == 200
    assert "Thank you" in answer.text
    found = await exposure(unit_of_work, row.id)
    assert found is not None
    assert found.place == "a[.]example/x"
    assert found.ends_at > found.reported_at


async def test_plans_file_decides_that_it_ends_at_once(
    visitor: Any,
    unit_of_work: UnitOfWork,
    key: tuple[ApiKeyMetadata, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict = Plans(get_plans().tiers, get_plans().trials, ExposureTerms("revoke"))
    monkeypatch.setattr(report_key, "get_plans", lambda: strict)
    await visitor.post("/report-key", data={"key": key[1]})
    async with unit_of_work() as session:
        row = await session.get(ApiKeyMetadata, key[0].id)
    assert row is not None
    assert row.status == "revoked"


async def test_answer_is_the_same_whatever_was_sent(
    visitor: Any, key: tuple[ApiKeyMetadata, str]
) -> None:
    sent = [key[1], key[1], new_key("live"), new_key("root"), "hello", "lk_live_" + "0" * 38]
    answers = [await visitor.post("/report-key", data={"key": one}) for one in sent]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len({tuple(answer.headers.multi_items()) for answer in answers}) == 1


async def test_nothing_sent_is_asked_for_beside_the_field(visitor: Any) -> None:
    for data in ({"key": " "}, {}):
        answer = await visitor.post("/report-key", data=data)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    program = await visitor.post("/report-key", headers={"Accept": "application/json"})
    assert [one["field"] for one in program.json()["errors"]] == ["key"]


async def test_key_is_on_no_page_and_in_no_log_and_no_table(
    visitor: Any,
    unit_of_work: UnitOfWork,
    key: tuple[ApiKeyMetadata, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = key[1]
    with caplog.at_level(logging.DEBUG):
        answers = [
            await visitor.post("/report-key", data=data)
            for data in ({"key": secret, "place": f"at {secret}"}, {"key": secret + "x" * 9000},
                         {"key": secret, "place": secret * 20})
        ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 422, 422]
    dump = "".join(answer.text for answer in answers) + caplog.text
    async with unit_of_work() as session:
        for table in ("Allowance", "KeyExposure", "procrastinate_jobs"):
            rows = await session.exec(text(f'SELECT t::text FROM latchkey."{table}" t'))  # type: ignore[call-overload]
            dump += "".join(row[0] for row in rows)
    assert secret[12:] not in dump


async def test_past_its_limit_a_network_is_told_when_to_come_back(
    open_browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "KEYS_OF_NETWORK", 2)
    browser = await open_browser(client="203.0.113.7")
    statuses = [
        (await browser.post("/report-key", data={"key": "x"})).status_code for _ in range(2)
    ]
    refused = await browser.post("/report-key", data={"key": "x"})
    assert [*statuses, refused.status_code] == [200, 200, 429]
    assert int(refused.headers["retry-after"]) > 60
    assert "Try again in 30 minutes" in refused.text


async def test_several_keys_in_one_text_are_each_reported(
    visitor: Any, unit_of_work: UnitOfWork, key: tuple[ApiKeyMetadata, str]
) -> None:
    async with unit_of_work() as session:
        other, secret = await make_key(session, await make_user(session))
    await visitor.post("/report-key", data={"key": f"{key[1]}, {secret}, {secret}"})
    assert await exposure(unit_of_work, key[0].id)
    assert await exposure(unit_of_work, other.id)
