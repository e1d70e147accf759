"""Asking for a sign-in link, and the page behind it."""

import itertools
import re

import pytest
from sqlalchemy import text
from sqlmodel import func, select, update

from app.accounts.links import issue_token
from app.models import Session, SignInLink, VerificationToken
from tests.api.browser import ask, mail_link
from tests.factories import make_user

MARKUP = '"><script>alert(1)</script>'


async def count(unit_of_work, model):
    async with unit_of_work() as session:
        return (await session.exec(select(func.count()).select_from(model))).one()


async def jobs(unit_of_work):
    async with unit_of_work() as session:
        query = text("SELECT task_name, args FROM latchkey.procrastinate_jobs")
        return [tuple(row) for row in await session.exec(query)]


async def only_link(unit_of_work):
    async with unit_of_work() as session:
        return (await session.exec(select(SignInLink))).one()


async def test_known_and_unknown_address_get_the_same_answer(visitor, unit_of_work):
    async with unit_of_work() as session:
        await make_user(session, email="known@example.com")
    await ask(visitor, "first@example.com")  # so that both answers renew the same cookie
    answers = [await ask(visitor, email) for email in ("known@example.com", "other@example.com")]
    known, unknown = (
        (answer.status_code, sorted(answer.headers.multi_items()), answer.text)
        for answer in answers
    )
    assert "known@example.com" in answers[0].text
    as_unknown = answers[0].text.replace("known@example.com", "other@example.com")
    assert (known[0], known[1], as_unknown) == unknown


async def test_asking_queues_one_job_that_holds_no_token(visitor, unit_of_work):
    answer = await ask(visitor)
    assert answer.status_code == 200
    link = await only_link(unit_of_work)
    assert await jobs(unit_of_work) == [("accounts:send_sign_in_link", {"link_id": link.id})]
    assert await count(unit_of_work, VerificationToken) == 0


@pytest.mark.usefixtures("asked_often")
async def test_asking_names_the_browser_in_a_cookie_that_no_script_reads(visitor):
    first, second = await ask(visitor), await ask(visitor)
    cookie = first.headers["set-cookie"]
    assert re.match(r"latchkey_browser=[\w-]{43};", cookie)
    for attribute in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=86400"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert second.headers["set-cookie"] == cookie


async def test_what_was_asked_for_is_kept_as_it_was_typed_but_for_spaces(visitor, unit_of_work):
    await ask(visitor, " Ada@Example.COM ", name="  Ada \t Lovelace ", company="", next="/keys/")
    link = await only_link(unit_of_work)
    assert (link.email, link.name, link.company) == ("ada@example.com", "Ada Lovelace", None)
    assert link.next == "/keys/"


async def test_wrong_address_gets_the_form_again_with_what_to_do(visitor, unit_of_work):
    for email in ("ada", "ada@", "a b@example.com", "ada@example.com\nBcc: x", " "):
        answer = await ask(visitor, email, next="/keys/")
        assert answer.status_code == 422, email
        assert answer.headers["content-type"].startswith("text/html")
        assert "does not look like an email address" in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert 'name="next" value="/keys/"' in answer.text
    assert (await ask(visitor, "")).status_code == 422
    assert await count(unit_of_work, SignInLink) == 0
    assert await jobs(unit_of_work) == []


async def test_wrong_address_is_a_problem_for_a_program(visitor):
    answer = await visitor.post(
        "/auth/email", data={"email": "ada"}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert [error["field"] for error in problem["errors"]] == ["email"]


async def test_too_long_a_field_is_named(visitor):
    for field in ("email", "name", "company"):
        values = {"email": "ada@example.com", field: "x" * 201}
        answer = await visitor.post("/auth/email", data=values)
        assert answer.status_code == 422, field
        assert f"{field}: " in answer.text
        assert "x" * 201 not in answer.text


async def test_markup_in_a_field_is_only_text_on_the_page(visitor):
    answer = await ask(visitor, name=MARKUP, company=MARKUP, next=f"/keys/?q={MARKUP}")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    refused = await ask(visitor, MARKUP, next=f"/keys/?q={MARKUP}")
    assert refused.status_code == 422
    assert "&lt;script&gt;" in refused.text
    assert "<script>alert" not in refused.text


async def test_markup_in_an_address_is_only_text_on_the_confirm_page(visitor, unit_of_work):
    await ask(visitor)
    async with unit_of_work() as session:
        await session.exec(update(SignInLink).values(email=MARKUP))
    page = await visitor.get(await mail_link(unit_of_work))
    assert "&lt;script&gt;" in page.text
    assert "<script>alert" not in page.text


async def test_confirm_page_has_one_button_and_tells_nobody_its_address(visitor, unit_of_work):
    await ask(visitor)
    path = await mail_link(unit_of_work)
    page = await visitor.get(path)
    assert page.status_code == 200
    assert page.text.count("<button") == 1
    assert page.text.count("<form") == 1
    assert f'method="post" action="{path}"' in page.text
    assert "ada@example.com" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"


async def test_looking_at_a_link_uses_nothing_up(visitor, open_browser, unit_of_work):
    await ask(visitor)
    path = await mail_link(unit_of_work)
    scanner = await open_browser()
    for _ in range(3):
        assert (await scanner.get(path)).status_code == 200
    assert await count(unit_of_work, Session) == 0
    assert (await visitor.post(path)).status_code == 303


async def test_a_link_that_is_none_gets_a_page_with_a_way_on(visitor):
    queries = ("", "?token=", "?token=unknown", "?token=%00%ff", "?token=a&b")
    for method, query in itertools.product(("GET", "POST"), queries):
        answer = await visitor.request(method, f"/auth/email/confirm{query}")
        assert answer.status_code == 410, (method, query)
        assert 'href="/sign-in/"' in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"


async def test_replaced_link_no_longer_works(visitor, unit_of_work):
    await ask(visitor)
    old = await mail_link(unit_of_work)
    async with unit_of_work() as session:
        await issue_token(session, (await only_link(unit_of_work)).id)
    assert (await visitor.get(old)).status_code == 410
    assert (await visitor.post(old)).status_code == 410


async def test_problem_about_a_link_tells_nobody_its_address(visitor):
    answer = await visitor.get(
        "/auth/email/confirm?token=unknown", headers={"Accept": "application/json"}
    )
    assert answer.json()["code"] == "link_invalid"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "unknown" not in answer.text
