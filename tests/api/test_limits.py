"""How often links may be asked for and tried, and that limits tell nothing of addresses."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import func, select

from app.accounts import limits
from app.core.database import engine
from app.models import SignInLink
from tests.api.browser import OpenBrowser, ask, mail_link, make_settings
from tests.conftest import UnitOfWork
from tests.factories import make_user

ELSEWHERE = "203.0.113.7"
PAIRS = 40


@pytest.fixture
def no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESEND_AFTER_SECONDS", 0)


async def links_asked_for(unit_of_work: UnitOfWork) -> int:
    async with unit_of_work() as session:
        return (await session.exec(select(func.count()).select_from(SignInLink))).one()


async def known(unit_of_work: UnitOfWork, *emails: str) -> None:
    async with unit_of_work() as session:
        for email in emails:
            await make_user(session, email=email)


async def test_second_link_within_half_a_minute_is_refused_in_words(
    visitor: Any, unit_of_work: UnitOfWork
) -> None:
    assert (await ask(visitor)).status_code == 200
    refused = await ask(visitor, "Ada@Example.com")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] in {"29", "30"}
    assert refused.headers["cache-control"] == "no-store"
    assert "Use the link in the newest mail that you have" in refused.text
    assert "seconds." in refused.text
    assert await links_asked_for(unit_of_work) == 1


async def test_refusal_is_a_problem_for_a_program(visitor: Any) -> None:
    await ask(visitor)
    data, accept = {"email": "ada@example.com"}, {"Accept": "application/json"}
    refused = await visitor.post("/auth/email", data=data, headers=accept)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert "ada" not in refused.text


async def test_known_and_unknown_address_are_refused_alike(
    visitor: Any, unit_of_work: UnitOfWork
) -> None:
    await known(unit_of_work, "known@example.com")
    for _ in range(2):
        answers = [
            await ask(visitor, email) for email in ("known@example.com", "other@example.com")
        ]
    assert [answer.status_code for answer in answers] == [429, 429]
    bodies = {answer.text.replace(" 29 ", " 30 ") for answer in answers}
    assert len(bodies) == 1


@pytest.mark.usefixtures("no_gap")
async def test_mailbox_gets_five_an_hour_however_it_is_spelt(visitor: Any) -> None:
    spellings = ["ada@gmail.com", "a.d.a@gmail.com", "ada+1@gmail.com", "ADA@googlemail.com"]
    found = [(await ask(visitor, email)).status_code for email in [*spellings, *spellings]]
    assert found == [200] * 5 + [429] * 3
    assert (await ask(visitor, "eve@gmail.com")).status_code == 200


@pytest.mark.usefixtures("no_gap")
async def test_network_gets_twenty_an_hour_and_others_are_not_concerned(
    open_browser: OpenBrowser,
) -> None:
    async def statuses(client: str, count: int) -> Counter[int]:
        browser: Any = await open_browser(client=client)  # type: ignore[misc]
        return Counter(
            [(await ask(browser, f"{client}-{n}@example.com".replace(":", "-"))).status_code
             for n in range(count)]
        )  # fmt: skip

    assert await statuses("2001:db8:1:2::1", 15) == {200: 15}
    assert await statuses("2001:db8:1:2:ffff::9", 8) == {200: 5, 429: 3}
    assert await statuses("2001:db8:1:3::1", 2) == {200: 2}
    assert await statuses(ELSEWHERE, 22) == {200: 20, 429: 2}
    assert await statuses("127.0.0.1", 22) == {200: 22}


async def test_network_is_the_one_that_the_trusted_proxy_saw(
    open_browser: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINKS_OF_NETWORK", 1)
    browser = await open_browser(make_settings(tmp_path, trusted_proxy_hops=1))
    for number, (forwarded, status) in enumerate(
        [("9.9.9.9, 203.0.113.7", 200), ("8.8.8.8, 203.0.113.7", 429), ("203.0.113.8", 200)]
    ):
        browser.headers["X-Forwarded-For"] = forwarded
        assert (await ask(browser, f"a{number}@example.com")).status_code == status


async def test_overall_limit_holds_for_all_networks(
    open_browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINKS_OVERALL", 3)
    found = []
    for number in range(5):
        browser = await open_browser(client=f"203.0.113.{number}")
        found.append((await ask(browser, f"a{number}@example.com")).status_code)
    assert found == [200, 200, 200, 429, 429]


async def test_no_bucket_holds_an_address(open_browser: Any, unit_of_work: UnitOfWork) -> None:
    await ask(await open_browser(client=ELSEWHERE))
    async with unit_of_work() as session:
        rows = await session.exec(text('SELECT bucket FROM latchkey."Allowance"'))  # type: ignore[call-overload]
        names = sorted(row[0].partition(":")[0] for row in rows)
        dump = await session.exec(
            text("SELECT string_agg(bucket, ',') FROM latchkey.\"Allowance\"")
        )  # type: ignore[call-overload]
    assert names == ["link", "link-gap", "link-mailbox", "link-network"]
    assert "ada" not in dump.scalar_one()


async def test_who_tries_many_links_that_are_none_must_wait(
    open_browser: Any, unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BAD_LINKS_OF_NETWORK", 4)
    guesser = await open_browser(client=ELSEWHERE)
    await ask(guesser)
    good = await mail_link(unit_of_work)
    for method in ("GET", "POST", "GET", "POST"):
        answer = await guesser.request(method, "/auth/email/confirm?token=guess")
        assert answer.status_code == 410
    for path in ("/auth/email/confirm?token=guess", good):
        refused = await guesser.post(path)
        assert (refused.status_code, int(refused.headers["retry-after"]) > 60) == (429, True)
    other = await open_browser(client="203.0.113.8")
    assert (await other.get(good)).status_code == 200


async def test_good_links_are_not_counted(
    open_browser: Any, unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BAD_LINKS_OF_NETWORK", 1)
    browser = await open_browser(client=ELSEWHERE)
    await ask(browser)
    path = await mail_link(unit_of_work)
    for _ in range(3):
        assert (await browser.get(path)).status_code == 200
    assert (await browser.post(path)).status_code == 303


@pytest.mark.usefixtures("no_gap")
async def test_known_and_unknown_addresses_take_the_same_statements_and_time(
    visitor: Any, unit_of_work: UnitOfWork, report: Callable[[str], None]
) -> None:
    await known(unit_of_work, *(f"known-{number}@example.com" for number in range(PAIRS)))
    statements: list[str] = []
    seen: dict[str, list[list[str]]] = {"known": [], "other": []}
    times: dict[str, list[float]] = {"known": [], "other": []}

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(engine().sync_engine, "before_cursor_execute", note)
    for number in range(PAIRS):
        for kind in ("known", "other") if number % 2 else ("other", "known"):
            statements.clear()
            begun_at = time.perf_counter()
            answer = await ask(visitor, f"{kind}-{number}@example.com")
            times[kind].append(time.perf_counter() - begun_at)
            assert answer.status_code == 200
            seen[kind].append(list(statements))
    event.remove(engine().sync_engine, "before_cursor_execute", note)
    assert {tuple(each) for each in seen["known"]} == {tuple(each) for each in seen["other"]}
    assert len({tuple(each) for each in seen["known"]}) == 1
    assert len(seen["known"][0]) > 0
    medians = {kind: statistics.median(each) for kind, each in times.items()}
    ratio = medians["known"] / medians["other"]
    report(
        f"asking for a link: {medians['known'] * 1000:.2f} ms for a known address, "
        f"{medians['other'] * 1000:.2f} ms for an unknown one (medians of {PAIRS}), "
        f"ratio {ratio:.3f}"
    )
    assert 0.7 < ratio < 1.43
