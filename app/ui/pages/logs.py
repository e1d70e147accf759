"""The call log: newest first, and new calls appear by themselves."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from app.core.database import unit_of_work
from app.ui.components import (
    Column,
    badge,
    button,
    call_badge,
    code_block,
    copy_button,
    empty_state,
    mono,
    skeleton,
    table,
    utc_time,
)
from app.ui.guard import signed_in
from app.ui.pages.frame import portal_page
from app.ui.pages.snippets import screen_snippets
from app.ui.state import PortalState, iso
from app.usage import calls, onboarding

LIVE_INTERVAL_MS = 2000
MOST_ROWS = 500
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class CallRow:
    """A call as the table shows it. `at` is ISO 8601.

    `trial`: the slug of the trial that the key was of, or "". `times`: for how many refusals
    the row stands, in words, or "" for itself.
    """

    id: str
    short_id: str
    at: str
    method: str
    endpoint: str
    status_code: int
    latency: str
    key: str
    trial: str
    times: str
    is_aborted: bool


class LogsState(PortalState):
    """The account's calls: the newest, and older pages on demand."""

    rows: list[CallRow] = []
    has_more: bool = False
    is_full: bool = False
    is_loaded: bool = False
    _last: calls.Cursor | None = None

    @signed_in
    async def load(self) -> None:
        """Show the newest calls."""
        found = await self._fetch(None)
        self.rows = [_row(call) for call in found]
        self._remember_end(found)
        self.is_loaded = True

    @signed_in
    async def refresh(self, now: str = "") -> None:
        """Put calls that came since on top, and what became of known ones in their places.

        A stream ends after its row is there, and a flood's row comes to stand for more.
        """
        found = {call.id: _row(call) for call in await self._fetch(None)}
        known = {row.id for row in self.rows}
        fresh = [row for row in found.values() if row.id not in known]
        if len(fresh) == calls.PAGE_SIZE:
            # more came than one page holds: begin anew rather than leave a gap
            await self.load()
            return
        # the oldest give way; "Show older calls" goes on from where it was
        rows = [*fresh, *(found.get(row.id, row) for row in self.rows)][:MOST_ROWS]
        if rows != self.rows:
            self.rows = rows

    @signed_in
    async def load_more(self) -> None:
        """Show the next older page."""
        found = await self._fetch(self._last)
        self.rows = [*self.rows, *(_row(call) for call in found)][:MOST_ROWS]
        self._remember_end(found)

    async def _fetch(self, before: calls.Cursor | None) -> list[calls.CallSummary]:
        user = self._require_user()
        async with unit_of_work() as session:
            found = await calls.list_calls(session, user.user_id, before=before)
            if found and not self.rows:
                await onboarding.note_log_seen(session, user.user_id)
        return list(found)

    def _remember_end(self, found: list[calls.CallSummary]) -> None:
        if found:
            self._last = calls.Cursor(found[-1].created_at, found[-1].id)
        self.is_full = len(self.rows) >= MOST_ROWS
        self.has_more = len(found) == calls.PAGE_SIZE and not self.is_full


def logs_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Logs",
        rx.moment(interval=LIVE_INTERVAL_MS, on_change=LogsState.refresh, display="none"),
        rx.cond(
            LogsState.is_loaded,
            rx.cond(LogsState.rows, _log(), _no_calls()),
            skeleton("row", "row", "row", "row"),
        ),
        purpose="Every call made with your keys, newest first. New ones appear by themselves.",
        active="/logs/",
    )


def _log() -> rx.Component:
    columns = [
        Column("Time", lambda call: utc_time(call.at)),
        Column("Status", _status),
        Column("Call", lambda call: mono(call.method + " " + call.endpoint)),
        Column("Key", _key),
        Column("Latency", lambda call: call.latency, numeric=True),
        Column("Request id", _request_id, shrink=True),
    ]
    return rx.el.div(
        table("Your calls", columns, LogsState.rows),
        rx.cond(LogsState.has_more, button("Show older calls", on_click=LogsState.load_more)),
        rx.cond(
            LogsState.is_full,
            rx.el.p(f"This page shows {MOST_ROWS} calls at most.", class_name="muted"),
        ),
        class_name="stack-l",
    )


def _status(call: Any) -> rx.Component:
    """What the call got, how many times in a flood, and whether its answer broke off."""
    return rx.el.span(
        call_badge(call.status_code),
        rx.cond(
            call.times != "",
            rx.el.span(
                call.times,
                title="So many refusals in one second share this row",
                class_name="muted",
            ),
        ),
        rx.cond(call.is_aborted, badge("Broken off", "warn")),
        class_name="row",
    )


def _key(call: Any) -> rx.Component:
    """The key that made the call, and whether it was a trial's."""
    return rx.el.span(
        call.key,
        rx.cond(call.trial != "", rx.el.span(badge("Trial", "accent"), title=call.trial)),
        class_name="row",
    )


def _request_id(call: Any) -> rx.Component:
    """The end of the id, and the whole of it to copy: the answer's X-Request-Id."""
    return rx.el.span(
        mono("…" + call.short_id, title=call.id),
        copy_button(call.id, what="the request id"),
        class_name="row",
    )


def _no_calls() -> rx.Component:
    return empty_state(
        "No calls yet",
        "Make one with a key of yours; it appears here within seconds.",
        code_block(screen_snippets()[0].code, title="curl"),
    )


def _row(call: calls.CallSummary) -> CallRow:
    return CallRow(
        id=call.id,
        short_id=call.id[-6:],
        at=iso(call.created_at),
        method=call.method,
        endpoint=call.endpoint,
        status_code=call.status_code,
        latency=f"{call.latency_ms:,} ms",
        key=call.key_label or call.key_start or "",
        trial=call.trial_slug or "",
        times=f"{TIMES} {call.times:,}" if call.times > 1 else "",
        is_aborted=call.is_aborted,
    )
