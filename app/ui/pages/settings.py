"""The settings page: who the account is, how and where it is signed in, and its data."""

import reflex as rx

from app.accounts.profile import LONGEST_NAME
from app.ui.components import badge, button, field, notice, skeleton
from app.ui.components.kinds import Text
from app.ui.pages.frame import portal_page
from app.ui.pages.settings_data import data_section
from app.ui.pages.settings_identities import identities_section
from app.ui.pages.settings_sessions import end_all_dialog, end_others_dialog, sessions_section
from app.ui.pages.settings_state import SettingsState
from app.ui.state import PortalState


def settings_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Settings",
        notice(SettingsState.message),
        rx.cond(
            SettingsState.is_loaded,
            rx.el.div(
                _profile(),
                identities_section(),
                sessions_section(),
                data_section(),
                class_name="stack-l",
            ),
            rx.cond(PortalState.failure, _failed(), skeleton("tile", "row", "row", "row")),
        ),
        end_others_dialog(),
        end_all_dialog(),
        purpose="Who you are, how and where you are signed in, and what we have of you.",
        active="/settings/",
    )


def _failed() -> rx.Component:
    """Beside the frame's own words for what failed."""
    again = button("Try again", on_click=[PortalState.dismiss_failure, SettingsState.load])
    return rx.el.div(again, class_name="row")


def _profile() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Profile"),
        rx.el.form(
            rx.el.div(
                rx.el.p("Address", class_name="field-label"),
                rx.el.div(rx.el.span(PortalState.email), _verified(), class_name="row"),
                class_name="field",
            ),
            _name_field("name", "Name", SettingsState.name, "name"),
            _name_field("company", "Company", SettingsState.company, "organization"),
            rx.el.div(button("Save", kind="submit", variant="primary"), class_name="row"),
            on_submit=SettingsState.save_profile,
            class_name="stack profile",
        ),
        class_name="card stack",
        aria_label="Profile",
    )


def _verified() -> rx.Component:
    return rx.cond(
        SettingsState.is_verified,
        badge("Verified", "ok"),
        badge("Not verified", "warn"),
    )


def _name_field(name: str, label: str, value: Text, autofill: str) -> rx.Component:
    """The key makes the field anew when what is stored changes, as in another tab."""
    return field(
        name,
        label,
        error=SettingsState.errors[name],
        optional=True,
        prefix="settings",
        default_value=value,
        key=value,
        max_length=LONGEST_NAME,
        auto_complete=autofill,
    )
