"""Signing in by a real OpenID provider, in a real browser: its cookies cross from site to site."""

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import TEMPLATE, new_database
from tests.e2e.mailbox import link_in, running_mailbox
from tests.issuer.real import issuer_settings, running_issuer
from tests.portal import free_port, running_portal

UNVERIFIED = "victim@example.com"
"""The address that the provider tells of `mallory`, and does not vouch for."""


@pytest.fixture
def mailbox():
    with running_mailbox() as (mailbox, url):
        mailbox.url = url
        yield mailbox


@pytest.fixture
def issuer_and_portal(tmp_path, postgres, mailbox):
    port = str(free_port())
    with (
        running_issuer(f"http://localhost:{port}/auth/oauth/oidc/callback") as issuer,
        new_database(postgres, TEMPLATE) as url,
    ):
        wanted = issuer_settings(issuer, port=port, smtp_url=mailbox.url, database_url=url)
        settings = {name.upper(): value for name, value in wanted.items()}
        with running_portal(tmp_path, **settings) as portal:
            yield issuer, portal


def test_unverified_address_is_signed_in_told_why_keys_wait_and_verified_by_mail(
    page: Page, issuer_and_portal, mailbox
):
    issuer, portal = issuer_and_portal
    page.context.add_cookies([{"name": "who", "value": "mallory", "url": issuer}])
    page.goto(f"{portal.url}/auth/oauth/oidc?next=/keys/")
    expect(page).to_have_url(f"{portal.url}/keys/")
    expect(page.get_by_text("Your address is not verified yet")).to_be_visible()
    callback_cookies = {cookie["name"] for cookie in page.context.cookies(portal.url)}
    assert "latchkey_oauth" not in callback_cookies

    page.get_by_role("button", name="Create key").first.click()
    page.get_by_role("dialog").get_by_label("Name").fill("production")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="Close anyway").click()
    expect(page.get_by_text("1 key waits until your address is verified")).to_be_visible()

    page.get_by_role("button", name="Mail me the link").click()
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    page.goto(link_in(mailbox.wait_for(UNVERIFIED)))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("1 key waits for you")).to_be_visible()
    expect(page.get_by_text("Your address is not verified yet")).to_be_hidden()

    # and the provider still leads there
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{portal.url}/")
    page.goto(f"{portal.url}/auth/oauth/oidc?next=/keys/")
    expect(page.get_by_text("1 key waits for you")).to_be_visible()
