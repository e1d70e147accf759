"""What is asked of Latchkey's own routes, and what they answer."""

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.keys.reports import MOST_AT_ONCE
from app.metering.jsonb_text import without_keys

MOST_CALLS = 1000
_MOST_UNITS = _LONGEST_MS = 2**31 - 1  # the columns are integers
_PATH = r"/[!-\"$->@-~]*|\(other\)"
_HEX = "[0-9a-fA-F]"
_UUID7 = f"{_HEX}{{8}}-{_HEX}{{4}}-7{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-{_HEX}{{12}}"


def holds_key(endpoint: str) -> bool:
    """Whether a key, whole or in part, stands in it, percent-encoded or not."""
    plain = unquote(endpoint)
    return without_keys(plain) != plain


def _path(value: str) -> str:
    if not re.fullmatch(_PATH, value):
        raise ValueError("must be a path or a template like /things/{id}, in ASCII, without query")
    return value


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    return value


def _call_id(value: str) -> str:
    if not re.fullmatch(_UUID7, value):
        raise ValueError("must be a UUIDv7")
    return value.lower()


CallId = Annotated[
    str,
    Field(max_length=36, json_schema_extra={"pattern": f"^{_UUID7}$"}),
    AfterValidator(_call_id),
]
Endpoint = Annotated[
    str,
    Field(max_length=200, json_schema_extra={"pattern": f"^({_PATH})$"}),
    AfterValidator(_path),
]
Method = Annotated[str, Field(pattern=r"^[A-Z][A-Z-]{0,19}$")]
Address = Annotated[str, Field(max_length=64), AfterValidator(_address)]
Units = Annotated[int, Field(ge=0, le=_MOST_UNITS)]
Secret = Annotated[str, Field(examples=["lk_live_…"])]
KeyId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class VerifyQuestion(_Question):
    """May this key make this call, now?"""

    key: Secret = Field(description="The customer's key, as the service got it.")
    endpoint: Endpoint = Field(description="The route's template: its name in the log.")
    method: Method = Field(description="The call's HTTP method.")
    ip: Address | None = Field(
        default=None, description="Where the call comes from, for keys that allow some addresses."
    )
    units: Units = Field(default=1, description="What the call costs.")
    record: bool = Field(
        default=True, description="false: only look. Nothing is charged and nothing recorded."
    )


class Verdict(BaseModel):
    """Whether it may, and what is known of it."""

    valid: bool
    code: str | None = Field(default=None, description="Why not; as the metered API's codes.")
    call_id: str | None = Field(default=None, description="The call's row in the log.")
    key_id: str | None = None
    tier: str | None = None
    owner_id: str | None = None
    remaining: int | None = Field(default=None, description="Units left in this period.")
    reset_at: datetime | None = Field(
        default=None, description="When the next period begins; null where there is none."
    )


class CallsQuestion(_Question):
    """Finished calls. Each is checked and recorded for itself."""

    calls: Annotated[list[Any], Field(max_length=MOST_CALLS)]


class _Ended(_Question):
    key: Secret | None = None
    key_id: KeyId | None = None
    status: int = Field(ge=200, le=599, description="The HTTP status that was answered.")
    latency_ms: int = Field(ge=0, le=_LONGEST_MS)
    request_body: Any = Field(default=None, description="JSON, stored as RECORD_BODIES says.")
    response_body: Any = Field(default=None, description="JSON, stored as RECORD_BODIES says.")
    sensitive: list[Annotated[str, Field(max_length=100)]] = Field(
        default=[], max_length=50, description="Fields of the bodies to be masked."
    )


class CompletedCall(_Ended):
    """The end of a call that a verification began. A key, if given, must be its key."""

    call_id: CallId


class FinishedCall(_Ended):
    """A call that no verification began, with an id of the service's own."""

    id: CallId = Field(description="A UUIDv7; its time is the call's, within the last 7 days.")
    endpoint: Endpoint
    method: Method
    units: Units = Field(default=1, description="Charged if the status is 2xx or 3xx.")

    @field_validator("key_id")
    @classmethod
    def _one_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "key" in info.data and (value is None) == (info.data["key"] is None):
            raise ValueError("give either key or key_id")
        return value

    model_config = ConfigDict(validate_default=True)


class ExposedKey(_Question):
    """A key that was found where others can read it."""

    key: Annotated[str, Field(max_length=200)] = Field(
        description="What was found, whole.", examples=["lk_live_…"]
    )
    url: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="Where, as far as an address says it. Its owner is told."
    )
    source: Annotated[str, Field(max_length=200)] | None = Field(
        default=None, description="Where, in words. Its owner is told."
    )


class ExposedKeys(_Question):
    """Several of them, as they come in a list."""

    reports: list[ExposedKey] = Field(min_length=1, max_length=MOST_AT_ONCE)


class ReportTaken(BaseModel):
    """The report was understood. Whether a key was genuine is not said."""

    received: int = Field(description="How many keys were in it.")


class CallOutcome(BaseModel):
    """What became of one call of the request."""

    id: str | None = Field(default=None, description="The call's id; null if it cannot be one.")
    recorded: bool
    code: str | None = None
    detail: str | None = None


class CallsAnswer(BaseModel):
    """The calls of the request, in its order."""

    recorded: int
    failed: int
    calls: list[CallOutcome]


class UsageAnswer(BaseModel):
    """An account's or a trial's present period."""

    period_start: datetime
    period_end: datetime = Field(description="When the next period begins, or the trial ends.")
    units_used: int
    units_limit: int
    units_remaining: int
    requests_per_second: int


class KeyAnswer(BaseModel):
    """The key that the request was made with. Never the key itself."""

    id: str
    start: str = Field(description="How it begins.")
    label: str | None
    tier: str
    status: str
    created_at: datetime
    expires_at: datetime | None
    allowed_ips: list[str] | None = Field(description="null: any address.")
    last_used_at: datetime | None = Field(description="Some seconds old at most.")
    trial_ends_at: datetime | None
