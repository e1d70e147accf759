"""How a trial, its time and its units read on the pages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.billing.plans import Tier, get_plans
from app.flows.trial_conversion import Converted
from app.trials.repository import TrialKeySummary, TrialSummary
from app.trials.states import Life, Move, Status
from app.ui.components.kinds import Tone
from app.ui.figures import count, day
from app.ui.state import iso

SOON, LAST = timedelta(days=3), timedelta(days=1)
"""With less than this left, the badge is amber, and red."""

_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
_OVER: dict[Status, tuple[str, Tone]] = {
    Status.EXPIRED: ("Ended", "neutral"),
    Status.CONVERTED: ("Converted", "accent"),
    Status.CANCELLED: ("Cancelled", "neutral"),
}


@dataclass(frozen=True)
class TrialCard:
    """A trial as the pages show it. Times are ISO 8601, or "" for none.

    `its_keys` are those that are not revoked, where there are any. `end_at` is when it ends or
    ended, whichever way; `data_at` the day from which on its data is deleted.
    """

    slug: str = ""
    name: str = ""
    tier: str = ""
    tier_id: str = ""
    status: str = ""
    badge: str = ""
    tone: Tone = "neutral"
    units: str = ""
    used_percent: int = 0
    is_used_up: bool = False
    its_keys: str = ""
    key_count: int = 0
    end_at: str = ""
    end_day: str = ""
    end_moment: str = ""
    data_at: str = ""
    data_day: str = ""
    extended: str = ""
    is_data_due: bool = False
    can_convert: bool = False
    can_cancel: bool = False
    can_make_key: bool = False


@dataclass(frozen=True)
class TrialKeyRow:
    """A trial's key as its table shows it. Times are ISO 8601, or "" for never.

    `ends_at` is when it ends before the trial does, for `is_exposed`: others reported it.
    `is_leaked`: it was in a URL, and still works.
    """

    id: str
    label: str
    start: str
    status: str
    created_at: str
    last_used_at: str
    ends_at: str
    is_exposed: bool
    is_leaked: bool
    can_revoke: bool


def trial_card(found: TrialSummary, now: datetime) -> TrialCard:
    """What the pages say of a trial at this moment."""
    life = found.life
    badge, tone = _badge(life, now)
    end_at = life.ended_at or life.expires_at
    return TrialCard(
        slug=found.slug,
        name=found.name,
        tier=tier_name(found.tier_id),
        tier_id=found.tier_id,
        status=life.status.value,
        badge=badge,
        tone=tone,
        units=f"{count(found.units_used)} of {count(found.units_limit)}",
        used_percent=math.ceil(found.units_used * 100 / found.units_limit),
        is_used_up=life.status is Status.ACTIVE and found.units_used >= found.units_limit,
        its_keys=f"its {found.key_count} keys" if found.key_count > 1 else "its key",
        key_count=found.key_count,
        end_at=iso(end_at),
        end_day=day(end_at),
        end_moment=moment(end_at),
        data_at=iso(life.data_goes_at),
        data_day=day(life.data_goes_at),
        extended=f"Extended by {days_words(found.extended_days)}." if found.extended_days else "",
        is_data_due=life.is_data_due,
        can_convert=life.allows(Move.CONVERT),
        can_cancel=life.allows(Move.CANCEL),
        can_make_key=life.allows(Move.MAKE_KEY),
    )


def key_rows(keys: Iterable[TrialKeySummary], life: Life) -> list[TrialKeyRow]:
    """The trial's keys for its table; those of a trial that has ended no longer work."""
    return [
        TrialKeyRow(
            id=key.id,
            label=key_name(key),
            start=key.start or "",
            status=_key_status(key, life),
            created_at=iso(key.created_at),
            last_used_at=iso(key.last_used_at),
            ends_at=iso(key.expires_at) if _key_status(key, life) == "active" else "",
            is_exposed=key.reported_at is not None,
            is_leaked=key.leaked_at is not None and _key_status(key, life) == "active",
            can_revoke=key.status in {"active", "expired"} and life.status is Status.ACTIVE,
        )
        for key in keys
    ]


def key_name(key: TrialKeySummary) -> str:
    """What a trial's key is called, whoever made it."""
    return key.label or key.start or "Unnamed"


def time_left(left: timedelta) -> str:
    """How long, to the hour under three days, to the minute under one: "2 days 5 hours left"."""
    if left >= SOON:
        return f"{round(left / LAST)} days left"
    if left >= LAST:
        return _two(left, (LAST, "day"), (_HOUR, "hour"))
    if left >= _MINUTE:
        return _two(left, (_HOUR, "hour"), (_MINUTE, "minute"))
    return "under a minute left"


def trial_gives(tier: Tier) -> str:
    """What a trial of this plan gives, in one line."""
    terms = get_plans().trials
    units, rate = count(terms.units), count(tier.requests_per_second)
    return f"{days_words(terms.days)}, {units} units, {rate} requests a second."


def tier_name(tier_id: str) -> str:
    """The plan's name, or its id when the plans file does not have it any more."""
    names = {tier.id: tier.name for tier in get_plans().tiers}
    return names.get(tier_id, tier_id)


def moment(at: datetime) -> str:
    """A day and the minute in UTC: "25 December 2026, 09:30 UTC"."""
    return f"{day(at)}, {at.astimezone(UTC):%H:%M} UTC"


def days_words(days: int) -> str:
    """ "1 day", "14 days"."""
    return _many(days, "day")


def converted_words(converted: Sequence[Converted]) -> str:
    """What became of trials: "Your trial Acme is converted: its 2 keys are live now, on Pro."."""
    return " ".join(_converted_words(one) for one in converted)


def _converted_words(one: Converted) -> str:
    if not one.keys:
        return f"Your trial {one.name} is converted. It had no keys to take along."
    are = "key is" if one.keys == 1 else "keys are"
    number = "" if one.keys == 1 else f"{one.keys} "
    plan = tier_name(one.tier_id)
    return f"Your trial {one.name} is converted: its {number}{are} live now, on {plan}."


def _badge(life: Life, now: datetime) -> tuple[str, Tone]:
    if life.status is not Status.ACTIVE:
        return _OVER[life.status]
    left = life.expires_at - now
    tone: Tone = "bad" if left < LAST else "warn" if left < SOON else "neutral"
    return time_left(left), tone


def _key_status(key: TrialKeySummary, life: Life) -> str:
    is_over = life.status is Status.EXPIRED and key.status == "active"
    return "expired" if is_over else key.status


def _two(left: timedelta, larger: tuple[timedelta, str], smaller: tuple[timedelta, str]) -> str:
    """So many of the larger unit and, of the rest, of the smaller; what is 0 is not said."""
    many, rest = divmod(left, larger[0])
    parts = [(many, larger[1]), (rest // smaller[0], smaller[1])]
    return " ".join(_many(number, unit) for number, unit in parts if number) + " left"


def _many(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{count(number)} {what}s"
