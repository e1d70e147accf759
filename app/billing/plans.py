"""The plans that customers can be on, read from `PLANS_FILE`.

`plans.toml` documents every field. Nothing here knows Stripe or the database.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.core.settings import get_settings

FREE = "free"
"""The tier of everyone without a subscription."""


class PlansInvalid(ValueError):
    """The plans file cannot be used; the message names the file, the field and the fix."""


@dataclass(frozen=True)
class Tier:
    """One plan. Prices are in US cents; 0 means free, or for a year: not offered.

    `older_price_ids`: prices that are no longer sold, and whose buyers keep this plan.
    """

    id: str
    name: str
    description: str
    monthly_usd_cents: int
    yearly_usd_cents: int
    monthly_price_id: str
    yearly_price_id: str
    units_per_month: int
    requests_per_second: int
    keys: int
    log_days: int
    older_price_ids: tuple[str, ...] = ()

    @property
    def price_ids(self) -> tuple[str, ...]:
        """Every price at Stripe that buys this plan, or did."""
        sold = (self.monthly_price_id, self.yearly_price_id)
        return (*filter(None, sold), *self.older_price_ids)


@dataclass(frozen=True)
class TrialTerms:
    """What a trial gives: for how many days, how many units, and when its data goes."""

    days: int
    units: int
    data_days: int


@dataclass(frozen=True)
class ExposureTerms:
    """What becomes of a key that somebody reports as exposed: `grace` (the default) or `revoke`."""

    action: str = "grace"

    @property
    def grace(self) -> timedelta:
        """How long such a key goes on working."""
        return _EXPOSED_ACTIONS[self.action]


_EXPOSED_ACTIONS = {"revoke": timedelta(0), "grace": timedelta(hours=24)}


@dataclass(frozen=True)
class Plans:
    """All tiers, in the order of the file, the terms of trials, and those of exposed keys."""

    tiers: tuple[Tier, ...]
    trials: TrialTerms
    exposed: ExposureTerms = ExposureTerms()

    def get_tier(self, tier_id: str) -> Tier:
        """The tier with this id. Raises KeyError for one that the file does not have."""
        for tier in self.tiers:
            if tier.id == tier_id:
                return tier
        raise KeyError(tier_id)


@lru_cache(maxsize=1)
def get_plans() -> Plans:
    """The plans of this process, read once. Raises PlansInvalid."""
    return load_plans(get_settings().plans_file)


def load_plans(path: Path) -> Plans:
    """Read and check a plans file. Raises PlansInvalid, with what to mend in the message."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlansInvalid(
            f"{path}: there is no such file. Set PLANS_FILE to your plans, or restore plans.toml."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlansInvalid(f"{path}: this is not valid TOML: {error}.") from error
    return _plans(document, str(path))


def _plans(document: Mapping[str, Any], source: str) -> Plans:
    _refuse_unknown(document, {"tiers", "trials", "exposed"}, source)
    tables = _table(document, "tiers", source)
    if FREE not in tables:
        raise PlansInvalid(f"{source}: add [tiers.{FREE}], the plan of everyone who has no other.")
    tiers = tuple(_tier(tier_id, tables, source) for tier_id in tables)
    _check_prices(tiers, source)
    trials = TrialTerms(
        **_values(TrialTerms, _table(document, "trials", source), f"{source}: trials")
    )
    return Plans(tiers=tiers, trials=trials, exposed=_exposed(document, source))


def _exposed(document: Mapping[str, Any], source: str) -> ExposureTerms:
    """Grace where the file does not say: nobody's calls stop who has not chosen that."""
    if "exposed" not in document:
        return ExposureTerms()
    table = _table(document, "exposed", source)
    terms = ExposureTerms(**_values(ExposureTerms, table, f"{source}: exposed"))
    if terms.action not in _EXPOSED_ACTIONS:
        raise PlansInvalid(f'{source}: exposed: \'action\' must be "revoke" or "grace".')
    return terms


def _tier(tier_id: str, tables: Mapping[str, Any], source: str) -> Tier:
    table = _table(tables, tier_id, f"{source}: tiers")
    return Tier(id=tier_id, **_values(Tier, table, f"{source}: tiers.{tier_id}"))


def _table(parent: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    table = parent.get(name)
    if not isinstance(table, dict):
        raise PlansInvalid(f"{where}: the table [{name}] is missing.")
    return table


def _refuse_unknown(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise PlansInvalid(
                f"{where}: '{name}' is not a field. Known: {', '.join(sorted(known))}."
            )


def _values(
    kind: type[Tier | TrialTerms | ExposureTerms], table: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """What to fill a dataclass with: every field present, of its type, and not negative."""
    listed = [field for field in fields(kind) if field.name != "id"]
    _refuse_unknown(table, {field.name for field in listed}, where)
    return {
        field.name: _value(table, field.name, field.type, where)
        for field in listed
        if field.default is MISSING or field.name in table
    }


def _value(table: Mapping[str, Any], name: str, wanted: Any, where: str) -> Any:
    value = table.get(name, MISSING)
    if value is MISSING:
        raise PlansInvalid(f"{where}: '{name}' is missing.")
    if wanted not in {str, int}:
        return _texts(name, value, where)
    if type(value) is not wanted:
        raise PlansInvalid(
            f"{where}: '{name}' must be {'a text' if wanted is str else 'a whole number'}."
        )
    if wanted is int:
        _check_number(name, value, where)
    return value


def _check_number(name: str, value: int, where: str) -> None:
    least = 0 if name.endswith("_cents") else 1
    if value < least:
        raise PlansInvalid(f"{where}: '{name}' must be at least {least}.")


def _texts(name: str, value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise PlansInvalid(f"{where}: '{name}' must be a list of texts, none of them empty.")
    return tuple(value)


def _check_prices(tiers: tuple[Tier, ...], source: str) -> None:
    """A price at Stripe buys one plan, and none buys what is shown as free or not offered."""
    known: dict[str, str] = {}
    for tier in tiers:
        where = f"{source}: tiers.{tier.id}"
        if tier.yearly_usd_cents and not tier.monthly_usd_cents:
            raise PlansInvalid(
                f"{where}: 'yearly_usd_cents' is set, and 'monthly_usd_cents' is 0, which is shown "
                "as free. Say what a month costs; without a 'monthly_price_id' it is not sold."
            )
        for field in _idle_prices(tier):
            raise PlansInvalid(
                f"{where}: '{field}_price_id' is set, and '{field}_usd_cents' is 0. Say what it "
                "costs, or take the price away."
            )
        for price_id in tier.price_ids:
            if price_id in known:
                raise PlansInvalid(
                    f"{where}: the price {price_id} is there twice, also in tiers."
                    f"{known[price_id]}. Each price buys one plan, for one interval."
                )
            known[price_id] = tier.id


def _idle_prices(tier: Tier) -> Iterator[str]:
    if tier.monthly_price_id and not tier.monthly_usd_cents:
        yield "monthly"
    if tier.yearly_price_id and not tier.yearly_usd_cents:
        yield "yearly"
