"""`/dev/mail` shows this machine's mail to this machine's user, and to nobody else."""

import asyncio
import os

import pytest

from app.integrations.mail import FileMailer
from app.integrations.mail.render import render_mail
from tests.api.browser import make_settings, opened

HOSTILE_HOSTS = ["evil.example", "evil.example:8000", "localhost.evil.example", "[::2]:8000",
                 "localhost@evil.example", "evil.example:99999", "localhost:8000:evil", "[::",
                 "0.0.0.0:8000", "127.0.0.1.evil.example", "evil.example#a", ""]  # fmt: skip


def store_mails(settings, *numbers):
    mailer = FileMailer(settings.var_dir / "mail", sender="Latchkey <no-reply@localhost>")
    for number in numbers:
        mail = render_mail(
            "sign_in",
            to=f"ada-{number}@example.com",
            subject=f"Mail {number}",
            message_id=f"<{number}@localhost>",
            link=f"http://localhost:8000/auth/email/confirm?token=token-{number}",
            minutes=10,
            site="http://localhost:8000",
        )
        asyncio.run(mailer.send(mail))
        file = max(settings.var_dir.glob("mail/*.eml"), key=lambda one: one.stat().st_mtime)
        os.utime(file, (number, number))


async def look(settings, client="127.0.0.1", **headers):
    async with opened(settings, client=client) as browser:
        return await browser.get("/dev/mail", headers=headers)


async def test_mails_are_listed_newest_first_each_with_its_link(settings):
    await asyncio.to_thread(store_mails, settings, 2, 3, 1)
    page = await look(settings)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    places = [page.text.index(f"Mail {number}") for number in (3, 2, 1)]
    assert places == sorted(places)
    for number in (1, 2, 3):
        link = f'href="http://localhost:8000/auth/email/confirm?token=token-{number}"'
        assert page.text.count(link) == 1
        assert f"ada-{number}@example.com" in page.text


async def test_page_says_so_when_there_is_no_mail_yet(settings):
    page = await look(settings)
    assert page.status_code == 200
    assert "No mail yet" in page.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LocalHost:1"])
async def test_every_name_of_this_machine_is_answered(settings, host):
    # as a program: a browser is sent on to the one name
    assert (await look(settings, Host=host, Accept="*/*")).status_code == 200


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
async def test_any_other_name_gets_404(settings, host):
    await asyncio.to_thread(store_mails, settings, 1)
    answer = await look(settings, Host=host)
    assert answer.status_code == 404
    assert "ada" not in answer.text


@pytest.mark.parametrize("client", ["203.0.113.9", "10.0.0.1", "::2", "testclient", ""])
async def test_client_elsewhere_gets_404(settings, client):
    assert (await look(settings, client=client)).status_code == 404


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded"])
async def test_request_through_a_tunnel_gets_404(settings, header):
    answer = await look(settings, **{header: "127.0.0.1"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "values",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"public_url": "http://portal.example:8000"},
        {"public_url": "https://localhost.evil.example", "secret_key": "x" * 32},
    ],
)
async def test_machine_that_others_reach_has_no_such_page(tmp_path, values):
    answer = await look(make_settings(tmp_path, **values), Host="localhost:8000")
    assert answer.status_code == 404
