"""The overview: three steps for a newcomer, then the last day in figures."""

import reflex as rx

from app.core.database import unit_of_work
from app.ui.components import (
    button,
    checklist,
    checklist_step,
    link_button,
    metric_tile,
    metric_tiles,
    skeleton,
    snippet_tabs,
)
from app.ui.components.steps import waiting
from app.ui.guard import signed_in
from app.ui.pages.frame import portal_page
from app.ui.pages.key_dialogs import create_dialog, new_key_dialog
from app.ui.pages.keys_state import KeysState
from app.ui.pages.running_trials import running_trials
from app.ui.pages.snippets import screen_snippets
from app.ui.state import PortalState
from app.usage import calls, onboarding

POLL_INTERVAL_MS = 2000


class OverviewState(PortalState):
    """The three steps, and the last 24 hours."""

    is_loaded: bool = False
    is_onboarded: bool = False
    has_key: bool = False
    has_call: bool = False
    calls_today: str = "0"
    success_share: str = "none yet"
    p95: str = "none yet"

    @signed_in
    async def load(self, now: str = "") -> None:
        """Show where the account stands."""
        user = self._require_user()
        async with unit_of_work() as session:
            progress = await onboarding.get_progress(session, user.user_id)
            day = await calls.summarise_day(session, user.user_id)
        self.has_key, self.has_call = progress.has_key, progress.has_call
        self.is_onboarded = progress.is_complete
        self._show_day(day)
        self.is_loaded = True

    def _show_day(self, day: calls.DaySummary) -> None:
        self.calls_today = f"{day.calls:,}"
        if day.calls and day.p95_ms is not None:
            self.success_share = f"{100 * day.succeeded / day.calls:.1f} %"
            self.p95 = f"{day.p95_ms:,} ms"
        else:
            self.success_share = self.p95 = "none yet"


def overview_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Overview",
        rx.cond(
            OverviewState.is_loaded & ~OverviewState.is_onboarded,
            rx.moment(interval=POLL_INTERVAL_MS, on_change=OverviewState.load, display="none"),
        ),
        rx.cond(
            OverviewState.is_loaded,
            rx.el.div(
                rx.cond(OverviewState.is_onboarded, rx.fragment(), _steps()),
                running_trials(),
                _figures(),
                class_name="stack-l",
            ),
            skeleton("tile", "tile", "tile"),
        ),
        create_dialog(),
        new_key_dialog(),
        purpose="Your calls at a glance, the last 24 hours.",
        active="/overview/",
        action=link_button("Your keys", "/keys/"),
    )


def _steps() -> rx.Component:
    return rx.el.section(
        checklist(
            checklist_step(
                1,
                "Create a key",
                rx.cond(OverviewState.has_key, rx.fragment(), _create_button()),
                done=OverviewState.has_key,
            ),
            checklist_step(2, "Make your first call", _first_call(), done=OverviewState.has_call),
            checklist_step(3, "See it in the log", _open_log()),
        ),
        aria_label="First steps",
    )


def _create_button() -> rx.Component:
    create = button("Create key", on_click=KeysState.open_create, variant="primary", icon="plus")
    trial = rx.el.p(
        "Or ",
        rx.el.a("start a trial", href="/trials/"),
        " of a paid plan, which has keys of its own.",
        class_name="muted",
    )
    return rx.el.div(create, trial, class_name="row")


def _first_call() -> rx.Component:
    return rx.cond(
        OverviewState.has_call,
        rx.fragment(),
        rx.fragment(
            snippet_tabs(screen_snippets(), id="first-call"),
            rx.cond(OverviewState.has_key, waiting("Waiting for your first call…")),
        ),
    )


def _open_log() -> rx.Component:
    return rx.cond(
        OverviewState.has_call,
        rx.el.div(link_button("Open the log", "/logs/", variant="primary"), class_name="row"),
        rx.el.p("Here, within seconds of the call.", class_name="muted"),
    )


def _figures() -> rx.Component:
    return metric_tiles(
        metric_tile("Calls", OverviewState.calls_today),
        metric_tile("Answered without an error", OverviewState.success_share),
        metric_tile("Latency, 95th percentile", OverviewState.p95),
    )
