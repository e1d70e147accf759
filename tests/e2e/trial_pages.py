"""What a customer does on the trial pages."""

from playwright.sync_api import Locator, Page, expect

from tests.portal import Portal


def open_trials(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.url}/trials/")
    expect(page.get_by_role("heading", name="Trials", exact=True)).to_be_visible()


def open_start(page: Page, portal: Portal, tier: str) -> None:
    """The page at the address that begins a trial of this tier; its dialog is open."""
    page.goto(f"{portal.url}/trials/?tier={tier}")
    expect(page.get_by_role("dialog", name="Start a trial")).to_be_visible()


def start_trial(page: Page, name: str, plan: str) -> None:
    """Fill in the two fields and press the button; the dialog is open."""
    dialog = page.get_by_role("dialog", name="Start a trial")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("radio", name=plan).check()
    dialog.get_by_role("button", name="Start trial").click()


def trial_card(page: Page) -> Locator:
    return page.get_by_role("region", name="This trial")


def create_key(page: Page, label: str) -> str:
    """Make a key of the trial and copy it; what the clipboard holds."""
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("dialog").get_by_label("Name").fill(label)
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Copy your key now")
    dialog.get_by_role("button", name="Copy the key").click()
    key = page.evaluate("navigator.clipboard.readText()")
    expect(dialog.get_by_text(f'"Authorization: Bearer {key}"')).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
    return key
