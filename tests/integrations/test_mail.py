"""Mail: written, stored in files, and handed to a server."""

import asyncio
import email
import email.policy
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import aiosmtplib
import pytest

from app.core.clock import utc_now
from app.integrations.mail import FileMailer, Mail, SmtpMailer, list_stored, make_mailer, smtp
from app.integrations.mail.message import to_mime
from app.integrations.mail.render import render_mail
from app.keys.places import place_of
from tests.api.browser import make_settings
from tests.e2e.mailbox import link_in, running_mailbox

SENDER = "Latchkey <no-reply@example.com>"
LINK = "http://localhost:8000/auth/email/confirm?token=abc-_DEF"


def sign_in_mail(**changes) -> Mail:
    values = {
        "to": "ada@example.com",
        "subject": "Your sign-in link",
        "message_id": "<sign-in.1@localhost>",
        "link": LINK,
        "minutes": 10,
        "site": "http://localhost:8000",
    }
    return render_mail("sign_in", **{**values, **changes})


def stored(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


class Page(HTMLParser):
    """A page as a mail program sees it."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text = set(), [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


def leak_mail(**changes) -> Mail:
    values = {
        "to": "ada@example.com",
        "subject": "Your key production was in a URL: rotate it",
        "message_id": "<key-leak.key.2026-11-23@localhost>",
        "key": "production (lk_live_abcd…)",
        "times": "3 times",
        "last_seen": "2026-11-23 12:00",
        "is_trial": False,
        "link": "http://localhost:8000/keys/",
        "site": "http://localhost:8000",
    }
    return render_mail("key_leak", **{**values, **changes})


class TestLeakNotice:
    def test_both_parts_say_what_happened_what_to_do_and_why_it_came(self):
        mail = leak_mail()
        for part in (mail.text, " ".join(Page(mail.html).text.split())):
            said = " ".join(part.split())
            for words in (
                "Your key production (lk_live_abcd…) was in a URL",
                "3 times, last at 2026-11-23 12:00 UTC",
                "Rotate it",
                "revoke it if nothing uses it",
                "because ada@example.com owns this key",
            ):
                assert words in said

    def test_there_is_one_button_and_it_leads_to_the_keys(self):
        mail = leak_mail()
        assert Page(mail.html).links == ["http://localhost:8000/keys/"]
        assert mail.text.count("http://localhost:8000/keys/") == 1

    def test_a_trial_s_key_is_replaced_in_its_trial(self):
        mail = leak_mail(is_trial=True, link="http://localhost:8000/trials/")
        assert Page(mail.html).links == ["http://localhost:8000/trials/"]
        for part in (mail.text, " ".join(Page(mail.html).text.split())):
            assert "Make another key in its trial" in " ".join(part.split())
            assert "Rotate" not in part

    def test_name_of_a_key_is_only_text_in_html(self):
        page = Page(leak_mail(key="<script>x</script>").html)
        assert "script" not in page.tags
        assert "<script>x</script>" in page.text


class TestRendering:
    def test_text_and_html_have_the_same_link_and_there_is_one_button(self):
        mail = sign_in_mail()
        assert set(re.findall(r"http\S+token=\S+", mail.text)) == {LINK}
        assert Page(mail.html).links == [LINK]
        assert Page(mail.html).text.count(LINK) == 1

    def test_both_parts_say_why_the_mail_came_and_for_how_long_it_works(self):
        mail = sign_in_mail()
        for part in (mail.text, mail.html):
            assert "10 minutes" in part
            assert "because someone entered ada@example.com at http://localhost:8000" in part

    def test_values_are_only_text_in_html(self):
        hostile = f'{LINK}&a="><script>'
        mail = sign_in_mail(to="<i>@example.com", link=hostile)
        page = Page(mail.html)
        assert {"script", "i"}.isdisjoint(page.tags)
        assert page.links == [hostile]
        assert hostile in page.text
        assert "<i>@example.com" in page.text
        assert hostile in mail.text

    def test_html_loads_nothing_and_carries_its_styles_itself(self):
        html = sign_in_mail().html
        assert not re.search(r"<(link|img|script|iframe)\b|url\(|@import|src=", html)
        assert re.search(r'<a [^>]*style="[^"]*background', html)

    def test_mime_has_text_first_and_html_as_the_alternative(self):
        message = to_mime(sign_in_mail(), sender=SENDER)
        assert message.get_content_type() == "multipart/alternative"
        kinds = [part.get_content_type() for part in message.iter_parts()]
        assert kinds == ["text/plain", "text/html"]
        assert message["Message-ID"] == "<sign-in.1@localhost>"
        assert message["Auto-Submitted"] == "auto-generated"
        assert (message["From"], message["To"]) == (SENDER, "ada@example.com")

    def test_a_line_break_cannot_add_a_header(self):
        with pytest.raises(ValueError, match="linefeed or carriage return"):
            to_mime(sign_in_mail(to="ada@example.com\nBcc: eve@example.com"), sender=SENDER)


class TestFiles:
    async def test_mail_is_stored_whole_and_read_back(self, tmp_path):
        await FileMailer(tmp_path / "mail", sender=SENDER).send(sign_in_mail())
        [mail] = list_stored(tmp_path / "mail")
        assert (mail.to, mail.subject, mail.link) == ("ada@example.com", "Your sign-in link", LINK)
        assert mail.text.replace("\r\n", "\n") == sign_in_mail().text
        assert abs(mail.sent_at - utc_now()) < timedelta(minutes=1)

    async def test_only_the_owner_may_read_it(self, tmp_path):
        folder = tmp_path / "mail"
        await FileMailer(folder, sender=SENDER).send(sign_in_mail())
        assert [oct(file.stat().st_mode & 0o777) for file in stored(folder)] == ["0o600"]

    async def test_same_message_id_replaces_the_file(self, tmp_path):
        mailer = FileMailer(tmp_path, sender=SENDER)
        await mailer.send(sign_in_mail())
        await mailer.send(sign_in_mail(link=f"{LINK}-new"))
        await mailer.send(sign_in_mail(message_id="<sign-in.2@localhost>"))
        assert len(stored(tmp_path)) == 2
        assert {mail.link for mail in list_stored(tmp_path)} == {f"{LINK}-new", LINK}

    async def test_half_written_mail_is_never_listed(self, tmp_path, monkeypatch):
        mailer = FileMailer(tmp_path, sender=SENDER)
        await mailer.send(sign_in_mail())

        def power_cut(path, data):
            path.open("wb").write(data[:10])
            raise OSError("no power")

        monkeypatch.setattr(Path, "write_bytes", power_cut)
        with pytest.raises(OSError, match="no power"):
            await mailer.send(sign_in_mail(link=f"{LINK}-new"))
        assert [mail.link for mail in list_stored(tmp_path)] == [LINK]
        monkeypatch.undo()
        await mailer.send(sign_in_mail(link=f"{LINK}-new"))
        assert [mail.link for mail in list_stored(tmp_path)] == [f"{LINK}-new"]

    def test_folder_that_is_not_there_has_no_mail(self, tmp_path):
        assert list_stored(tmp_path / "none") == []

    async def test_listing_ends_at_its_limit(self, tmp_path):
        mailer = FileMailer(tmp_path, sender=SENDER)
        for number in range(3):
            await mailer.send(sign_in_mail(message_id=f"<{number}@x>"))
        assert len(list_stored(tmp_path, limit=2)) == 2

    async def test_mail_that_another_program_put_there_does_not_break_the_list(self, tmp_path):
        (tmp_path / "odd.eml").write_bytes(b"\xff\xfe no headers at all")
        (tmp_path / "date.eml").write_bytes(b"Date: yesterday\nTo: a@b\n\nhello")
        await FileMailer(tmp_path, sender=SENDER).send(sign_in_mail())
        assert len(list_stored(tmp_path)) == 3


class TestSmtp:
    async def test_server_gets_both_parts_and_the_message_id(self):
        with running_mailbox() as (mailbox, url):
            await SmtpMailer(url, sender=SENDER).send(sign_in_mail())
            mail = await asyncio.to_thread(mailbox.wait_for, "ada@example.com")
        assert link_in(mail) == LINK
        assert LINK in mail.get_body(("html",)).get_content()
        assert mail["Message-ID"] == "<sign-in.1@localhost>"
        assert mail["From"] == SENDER

    async def test_address_in_letters_of_other_scripts_arrives(self):
        with running_mailbox() as (mailbox, url):
            await SmtpMailer(url, sender=SENDER).send(sign_in_mail(to="ada@bücher.example"))
        assert mailbox.recipients == [["ada@xn--bcher-kva.example"]]

    async def test_refusal_is_raised_so_that_the_job_tries_again(self):
        with running_mailbox() as (mailbox, url):
            mailbox.refusals = ["451 try later"]
            mailer = SmtpMailer(url, sender=SENDER)
            with pytest.raises(aiosmtplib.SMTPException, match="try later"):
                await mailer.send(sign_in_mail())
            await mailer.send(sign_in_mail())
        assert len(mailbox.mails) == 1

    async def test_server_that_is_away_is_raised(self):
        with pytest.raises(aiosmtplib.SMTPException):
            await SmtpMailer("smtp://127.0.0.1:1", sender=SENDER).send(sign_in_mail())

    @pytest.mark.parametrize("url", ["", "localhost:25", "http://localhost", "smtp://", "smtp:x"])
    def test_wrong_address_is_named(self, url):
        with pytest.raises(ValueError, match="SMTP_URL must be like smtp://"):
            SmtpMailer(url, sender=SENDER)

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("smtp://mail.example", ("mail.example", 25, False, None, None)),
            ("smtps://mail.example", ("mail.example", 465, True, None, None)),
            ("smtp://a%40b:p%3Aw@mail.example:587", ("mail.example", 587, False, "a@b", "p:w")),
        ],
    )
    async def test_address_says_port_encryption_and_who(self, monkeypatch, url, expected):
        seen = {}

        def connect(**options):
            seen.update(options)
            raise ConnectionError("far enough")

        monkeypatch.setattr(aiosmtplib, "SMTP", connect)
        with pytest.raises(ConnectionError, match="far enough"):
            await SmtpMailer(url, sender=SENDER).send(sign_in_mail())
        names = ("hostname", "port", "use_tls", "username", "password")
        assert tuple(seen[name] for name in names) == expected

    async def test_slow_server_is_waited_for_so_that_the_mail_arrives_once(self, monkeypatch):
        monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.1)
        with running_mailbox() as (mailbox, url):
            mailbox.delay_seconds = 0.3
            await SmtpMailer(url, sender=SENDER).send(sign_in_mail())
        assert len(mailbox.mails) == 1

    async def test_server_that_never_answers_is_given_up(self, monkeypatch):
        monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.1)
        with running_mailbox() as (mailbox, url):
            mailbox.delay_seconds = 0.5
            with pytest.raises(aiosmtplib.SMTPTimeoutError):
                await SmtpMailer(url, sender=SENDER).send(sign_in_mail())


def exposed_mail(**changes) -> Mail:
    values = {
        "to": "ada@example.com",
        "subject": "Your key production was found by others",
        "message_id": "<key-exposed.key@localhost>",
        "key": "production (lk_live_abcd…)",
        "place": "github[.]com/o/r, commit",
        "is_revoked": False,
        "ends": "2026-11-24 12:00",
        "is_trial": False,
        "link": "http://localhost:8000/keys/",
        "site": "http://localhost:8000",
    }
    return render_mail("key_exposed", **{**values, **changes})


class TestExposureNotice:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({}, ["github[.]com/o/r, commit", "we have not checked it", "works until 2026-11-24"]),
            ({"is_revoked": True}, ["has been revoked", "calls with it are refused"]),
            ({"place": None}, ["without saying where it was seen"]),
        ],
    )
    def test_both_parts_say_what_was_done_and_what_to_do(self, changes, words):
        mail = exposed_mail(**changes)
        for part in (mail.text, Page(mail.html).text):
            said = " ".join(part.split())
            for one in [*words, "Your key production (lk_live_abcd…) was found by others",
                        "Create a new key", "because ada@example.com owns this key"]:  # fmt: skip
                assert one in said

    def test_there_is_one_link_and_it_leads_to_the_keys(self):
        mail = exposed_mail(place=place_of("https://evil.example/reset?a=1", "www.evil.example"))
        assert Page(mail.html).links == ["http://localhost:8000/keys/"]
        assert set(re.findall(r"\S*(?:://|www\.)\S*", mail.text)) == {
            "http://localhost:8000/keys/",
            "http://localhost:8000.",
        }

    def test_place_is_only_text_in_html(self):
        page = Page(exposed_mail(place="<script>x</script>").html)
        assert "script" not in page.tags


def test_settings_choose_the_mailer(tmp_path):
    assert isinstance(make_mailer(make_settings(tmp_path)), FileMailer)
    by_smtp = make_settings(tmp_path, smtp_url="smtp://localhost:25")
    assert isinstance(make_mailer(by_smtp), SmtpMailer)


async def test_stored_mail_is_a_mail_that_any_program_reads(tmp_path):
    await FileMailer(tmp_path, sender=SENDER).send(sign_in_mail(to="ada@bücher.example"))
    [file] = stored(tmp_path)
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["To"].addresses[0].addr_spec == "ada@xn--bcher-kva.example"
