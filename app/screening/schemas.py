"""What the API takes and gives, with its bounds. Field names are the contract."""

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.screening import examples
from app.screening.countries import COUNTRY_CODES
from app.screening.evidence import MIN_IDENTIFIER_LENGTH, fold_identifier
from app.screening.lists import EntityType
from app.screening.normalise import comparable

_TELLING_FIELDS = (
    "name aliases birth_date countries identifiers exclude_ids "  # of the question
    "entity_id matched_name birth_dates programs"  # and of the answer
)
_TRIED_FIELDS = (
    "names full_name first_name middle_name last_name given_name family_name surname alias "
    "dob birthday birthdates date_of_birth year_of_birth nationality nationalities citizenship "
    "country identifier passport passport_number national_id id_number tax_id address email "
    "phone person company vessel subject entity query q search text"
)
SENSITIVE_FIELDS = [*_TELLING_FIELDS.split(), *_TRIED_FIELDS.split()]
"""Fields that tell who was asked about, also where the call log keeps a question or an answer.

With them the names that people try before they read ours: those are refused, and recorded.
`name` is also the name of a list in an answer, which goes with them; its `version` stays.
"""

_FIRST_YEAR, _LAST_YEAR = 1800, 2100
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}-[0-9]{2})?")


def _printable(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("must not contain control characters")
    return text


def _birth_date(text: str) -> str:
    wrong = "must be a year or a real date, like 1962 or 1962-11-23"
    if not _DATE.fullmatch(text):
        raise ValueError(wrong)
    try:
        whole = date.fromisoformat(text if len(text) > len("1962") else f"{text}-01-01")
    except ValueError as error:
        raise ValueError(wrong) from error
    if not _FIRST_YEAR <= whole.year <= _LAST_YEAR:
        raise ValueError(f"must be from {_FIRST_YEAR} to {_LAST_YEAR}")
    return text


def _country(text: str) -> str:
    if text.lower() not in COUNTRY_CODES:
        raise ValueError("must be a country code of ISO 3166-1 alpha-2, like ve")
    return text.lower()


def _identifier(text: str) -> str:
    if len(fold_identifier(text)) < MIN_IDENTIFIER_LENGTH:
        raise ValueError(f"must contain at least {MIN_IDENTIFIER_LENGTH} letters A-Z or digits")
    return text


_Trimmed = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
    AfterValidator(_printable),
]
_Name = Annotated[_Trimmed, AfterValidator(comparable)]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
_BirthDate = Annotated[
    str,
    AfterValidator(_birth_date),
    Field(json_schema_extra={"pattern": f"^{_DATE.pattern}$"}),
]
_Country = Annotated[
    str, AfterValidator(_country), Field(json_schema_extra={"pattern": "^[A-Za-z]{2}$"})
]
_Identifier = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_printable),
    AfterValidator(_identifier),
]


class ScreenRequest(BaseModel):
    """One subject to look for. Only `name` is required."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"examples": [examples.REQUEST]},
    )

    type: Literal["person", "company", "vessel", "any"] = Field(
        "any", description="What to look for. Aircraft are found under `any` only."
    )
    name: _Name = Field(description="The name, in any script and any order of its parts.")
    aliases: list[_Name] = Field(
        [], max_length=20, description="Other names of the same subject; the best one counts."
    )
    birth_date: _BirthDate | None = Field(
        None, description="`YYYY` or `YYYY-MM-DD`. Moves the score a little, either way."
    )
    countries: list[_Country] = Field(
        [],
        max_length=20,
        description="ISO 3166-1 alpha-2 codes (nationality, residence, flag), in either case.",
    )
    identifiers: list[_Identifier] = Field(
        [],
        max_length=20,
        description="Numbers of passports, registers, ships (IMO). One that is listed is a match, "
        "whatever the name.",
    )
    client_ref: _Key | None = Field(
        None, description="Your own reference, given back as it is. Kept in your call log."
    )
    lists: list[_Key] = Field(
        [], max_length=20, description="Names of the lists to search; all, if empty."
    )
    threshold: float = Field(
        0.7, ge=0, le=1, description="The least score of a match. Scores under 0.4 are never given."
    )
    limit: int = Field(5, ge=1, le=50, description="The most results to give, best first.")
    exclude_ids: list[_Key] = Field(
        [], max_length=200, description="Ids of entities that you have already ruled out."
    )


class Explanation(BaseModel):
    """Why a result scores as it does: one thing that was compared."""

    feature: Literal["name", "birth_date", "country", "identifier"] = Field(
        description="What was compared."
    )
    score: float = Field(ge=0, le=1, description="How alike it is, from 0 to 1.")
    detail: str = Field(description="The same in words.")


class ScreenResult(BaseModel):
    """A listed entity that may be the subject."""

    list: str = Field(description="The list it is on.")
    entity_id: str = Field(description="Its id on that list; for `exclude_ids`.")
    name: str = Field(description="Its first name on the list.")
    matched_name: str = Field(description="The name or alias that is most alike.")
    type: EntityType = Field(description="What it is.")
    score: float = Field(ge=0, le=1, description="How likely it is the subject, from 0 to 1.")
    match: bool = Field(description="Whether the score reaches the threshold.")
    explanations: tuple[Explanation, ...] = Field(description="What was compared, the name first.")
    programs: tuple[str, ...] = Field(description="The sanctions programmes that list it.")
    birth_dates: tuple[str, ...] = Field(description="`YYYY`, `YYYY-MM` or `YYYY-MM-DD`.")
    countries: tuple[str, ...] = Field(description="ISO 3166-1 alpha-2 codes, lower case.")


class ListInfo(BaseModel):
    """Which state of a list was searched."""

    name: str = Field(description="The list's name here.")
    version: str = Field(description="The version that the list itself states.")
    sha256: str = Field(description="SHA-256 of the list's file, in hex.")
    loaded_at: datetime = Field(description="When this process read it, UTC.")
    entities: int = Field(ge=1, description="How many entities are on it.")


class ScreenAnswer(BaseModel):
    """The answer about one subject."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [examples.ANSWER]})

    id: str = Field(description="The call's id, the same as the header X-Request-Id.")
    client_ref: str | None = Field(description="Your reference, as you sent it.")
    status: Literal["clear", "potential_match"] = Field(
        description="`potential_match` if there is any result."
    )
    units: int = Field(ge=0, description="What this call costs.")
    results: list[ScreenResult] = Field(
        description="Entities that reach the threshold, best first."
    )
    lists: list[ListInfo] = Field(description="The lists that were searched, as they were.")
    algorithm: str = Field(description="Name and version of the scoring.")
    threshold: float = Field(ge=0, le=1, description="The threshold that was used.")


class LoadedList(ListInfo):
    """A list that can be searched."""

    age_seconds: int = Field(ge=0, description="Seconds since this process read it.")
    source: str = Field(description="Where the list comes from, in its own words.")


class ListsAnswer(BaseModel):
    """The lists that can be searched."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [examples.LISTS]})

    lists: list[LoadedList] = Field(description="In the order of the setting WATCHLISTS.")
