"""Watchlists: read from files, checked, and made ready to search.

The file format is JSON lines: a first line about the list, then one entity a line
(see data/README.md).
"""

import hashlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from app.core.clock import utc_now
from app.core.settings import ROOT
from app.screening.evidence import MIN_IDENTIFIER_LENGTH, fold_identifier
from app.screening.index import NameIndex
from app.screening.normalise import Kind, Name, comparable, read_name

SAMPLE = Path(__file__).with_name("data") / "sample.jsonl"

EntityType = Literal["person", "company", "vessel", "aircraft"]

_LIST_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
_ListedName = Annotated[_Text, AfterValidator(comparable)]
_Date = Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
_Country = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]


_Line = TypeVar("_Line", bound=BaseModel)


class WatchlistError(ValueError):
    """A list cannot be read. The message names the setting, the list and the fix."""


class Header(BaseModel):
    """The first line of a list file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["latchkey-list/1"]
    version: _Text
    source: _Text = "unknown"
    published_at: str | None = None
    note: str = ""


class Entity(BaseModel):
    """Someone or something on a list: one line of a list file after the first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: _Text
    type: EntityType
    name: _ListedName
    aliases: tuple[_ListedName, ...] = ()
    birth_dates: tuple[_Date, ...] = ()
    countries: tuple[_Country, ...] = ()
    programs: tuple[_Text, ...] = ()
    identifiers: tuple[_Text, ...] = ()

    @property
    def kind(self) -> Kind:
        """How this entity's names are read."""
        return "person" if self.type == "person" else "other"


@dataclass(frozen=True, slots=True)
class ListedNames:
    """The names of one kind, ready to search: name `n` is that of entity `owners[n]`."""

    names: Sequence[Name]
    owners: Sequence[int]
    index: NameIndex


@dataclass(frozen=True)
class Watchlist:
    """One list in memory. Made by `read_watchlist`, never changed."""

    name: str
    version: str
    source: str
    sha256: str
    loaded_at: datetime
    entities: Sequence[Entity]
    listed: dict[Kind, ListedNames] = field(repr=False)
    by_identifier: dict[str, list[int]] = field(repr=False)

    @property
    def age_seconds(self) -> int:
        """Whole seconds since it was read."""
        return max(0, int((utc_now() - self.loaded_at).total_seconds()))


class ListStore:
    """The lists of one process: read once, by whoever asks first, on any thread."""

    def __init__(self, load: Callable[[], Sequence[Watchlist]]):
        self._load = load
        self._lock = threading.Lock()
        self.loaded: Sequence[Watchlist] | None = None
        """The lists, or None while nobody has read them."""

    def load(self) -> Sequence[Watchlist]:
        """The lists, read now if need be. Raises WatchlistError; the next call tries again."""
        with self._lock:
            if self.loaded is None:
                self.loaded = self._load()
            return self.loaded


def load_watchlists(setting: str | None) -> tuple[Watchlist, ...]:
    """The lists that `WATCHLISTS` names (`name=path`, comma-separated), or the sample.

    Relative paths start at the project's root. Raises WatchlistError.
    """
    if not setting:
        return (read_watchlist("sample", SAMPLE),)
    places: dict[str, str] = {}
    for entry in setting.split(","):
        name, _, place = (piece.strip() for piece in entry.partition("="))
        if not _LIST_NAME.fullmatch(name) or not place:
            raise WatchlistError("WATCHLISTS must be like name=path, comma-separated.")
        if name in places:
            raise WatchlistError(f"WATCHLISTS names the list {name} twice.")
        places[name] = place
    return tuple(read_watchlist(name, _path_of(name, place)) for name, place in places.items())


def _path_of(name: str, place: str) -> Path:
    if "://" in place:
        raise WatchlistError(
            f"WATCHLISTS: the list {name} is a URL, and only files are read so far. "
            "Download it and give its path."
        )
    return ROOT / Path(place).expanduser()


def read_watchlist(name: str, path: Path) -> Watchlist:
    """Reads, checks and indexes one list file. Raises WatchlistError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WatchlistError(f"WATCHLISTS: the list {name} ({path}): {reason}.") from error
    header, entities = _parse(name, path, content)
    return Watchlist(
        name=name,
        version=header.version,
        source=header.source,
        sha256=hashlib.sha256(content).hexdigest(),
        loaded_at=utc_now(),
        entities=entities,
        listed={kind: _listed(entities, kind) for kind in ("person", "other")},
        by_identifier=_by_identifier(entities),
    )


def _parse(name: str, path: Path, content: bytes) -> tuple[Header, list[Entity]]:
    where = f"WATCHLISTS: the list {name} ({path})"
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not lines:
        raise WatchlistError(f"{where} is empty.")
    header = _parse_line(Header, where, *lines[0])
    entities = [_parse_line(Entity, where, *line) for line in lines[1:]]
    if not entities:
        raise WatchlistError(f"{where} has no entities.")
    twice = [key for key, times in Counter(entity.id for entity in entities).items() if times > 1]
    if twice:
        raise WatchlistError(f"{where} has the id {twice[0]} twice.")
    return header, entities


def _parse_line(shape: type[_Line], where: str, number: int, line: bytes) -> _Line:
    try:
        return shape.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        at = "".join(f", {piece}" for piece in problem["loc"])
        raise WatchlistError(f"{where}, line {number}{at}: {problem['msg']}.") from error


def _listed(entities: Sequence[Entity], kind: Kind) -> ListedNames:
    names: list[Name] = []
    owners: list[int] = []
    for at, entity in enumerate(entities):
        if entity.kind != kind:
            continue
        for text in dict.fromkeys((entity.name, *entity.aliases)):
            names.append(read_name(text, kind))
            owners.append(at)
    return ListedNames(names, owners, NameIndex(names))


def _by_identifier(entities: Sequence[Entity]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for at, entity in enumerate(entities):
        for identifier in dict.fromkeys(map(fold_identifier, entity.identifiers)):
            if len(identifier) >= MIN_IDENTIFIER_LENGTH:
                found[identifier].append(at)
    return dict(found)
