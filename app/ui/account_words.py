"""How the state of an account reads on the pages."""

from app.accounts.suspension import Suspension
from app.core.settings import get_settings
from app.ui.figures import day


def suspension_alert(found: Suspension | None) -> str:
    """What every page says while the account is suspended; "" while it is not."""
    if found is None:
        return ""
    return (
        f"Your account is suspended since {day(found.since)}: calls with your keys are refused, "
        "and you can make no new ones. Nothing is deleted. "
        f"Write to {get_settings().operator_address} to have it opened."
    )
