"""From nothing to a recorded call and back, in a real browser."""

import subprocess
import time

import pytest
from playwright.sync_api import Page, expect

from app.keys.format import is_well_formed
from tests.e2e.mailbox import link_in, running_mailbox
from tests.portal import Portal, running_portal

ADDRESS = "ada@example.com"
REVOKED_WITHIN_SECONDS = 1.0


@pytest.fixture(params=["embedded", "external"])
def database_settings(request):
    """No database setting at all, then an external PostgreSQL."""
    if request.param == "embedded":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("external_database_url")}


@pytest.fixture
def mailbox():
    with running_mailbox() as (mailbox, url):
        mailbox.url = url
        yield mailbox


@pytest.fixture
def portal(tmp_path, database_settings, mailbox):
    with running_portal(tmp_path, SMTP_URL=mailbox.url, **database_settings) as running:
        yield running


def curl(portal: Portal, key: str) -> tuple[int, str]:
    """The landing page's call, by curl itself: status and body."""
    command = [
        "curl", "-s", "-w", "\n%{http_code}", f"{portal.url}/api/v1/screen",
        "-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json",
        "-d", '{"name": "Cubana Airlines"}',
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    body, _, status = answer.rpartition("\n")
    return int(status), body


def sign_up(page: Page, portal: Portal, mailbox) -> None:
    page.goto(f"{portal.url}/")
    page.get_by_role("link", name="Get a key").first.click()
    page.get_by_label("Email").fill(ADDRESS)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    expect(page.get_by_text(ADDRESS)).to_be_visible()
    page.goto(link_in(mailbox.wait_for(ADDRESS)))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def create_key(page: Page) -> str:
    """Make a key and copy it; what the clipboard holds."""
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("production")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Copy your key now")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Copy the key").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    key = page.evaluate("navigator.clipboard.readText()")
    expect(dialog.get_by_role("button", name="Done")).to_be_visible()
    expect(dialog.get_by_text(f'"Authorization: Bearer {key}"')).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    return key


def revoke(page: Page) -> None:
    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_role("button", name="Actions for production").click()
    page.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog", name="Revoke production")
    expect(dialog).to_contain_text("1 call in the last 24 hours")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("textbox").fill("production")
    dialog.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("Revoked production.")).to_be_visible()


def test_the_whole_way_from_sign_up_to_a_revoked_key(page: Page, portal: Portal, mailbox):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_up(page, portal, mailbox)
    key = create_key(page)
    assert is_well_formed(key)
    assert key not in page.content()
    expect(page.get_by_text("Waiting for your first call")).to_be_visible()

    page.get_by_role("link", name="Logs", exact=True).click()
    expect(page.get_by_text("No calls yet")).to_be_visible()
    status, body = curl(portal, key)
    assert (status, '"potential_match"' in body) == (200, True)
    # no reload: the log catches up by itself
    expect(page.get_by_role("cell", name="POST /api/v1/screen")).to_be_visible()
    expect(page.get_by_text("200 Answered")).to_be_visible()

    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Create a key")).to_be_hidden()

    revoke(page)
    revoked_at = time.monotonic()
    status, body = curl(portal, key)
    took = time.monotonic() - revoked_at
    assert (status, '"revoked_key"' in body) == (401, True)
    assert took < REVOKED_WITHIN_SECONDS

    page.get_by_role("link", name="Logs", exact=True).click()
    expect(page.get_by_text("401 Refused")).to_be_visible()
    assert key not in portal.log.read_text()

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{portal.url}/")
    page.goto(f"{portal.url}/keys/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("production")).to_be_hidden()
