"""The plans file: what ours says, and how a wrong one is refused."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from app.billing.plans import FREE, PlansInvalid, load_plans
from app.core.settings import ROOT

SHIPPED = ROOT / "plans.toml"


def altered(folder: Path, before: str, after: str) -> Path:
    """Our own plans file with its first `before` replaced."""
    text = SHIPPED.read_text()
    assert before in text
    copy = folder / "plans.toml"
    copy.write_text(text.replace(before, after, 1))
    return copy


def refusal(path: Path) -> str:
    with pytest.raises(PlansInvalid) as caught:
        load_plans(path)
    return str(caught.value)


def test_the_shipped_plans_are_valid_and_in_the_order_of_the_file() -> None:
    plans = load_plans(SHIPPED)
    assert [tier.id for tier in plans.tiers] == ["free", "standard", "enterprise"]
    assert plans.get_tier(FREE).monthly_usd_cents == 0
    assert plans.trials.days > 0


def test_larger_plans_give_more_of_everything() -> None:
    tiers = load_plans(SHIPPED).tiers
    for smaller, larger in pairwise(tiers):
        assert smaller.units_per_month < larger.units_per_month
        assert smaller.requests_per_second < larger.requests_per_second
        assert smaller.keys < larger.keys
        assert smaller.log_days < larger.log_days


def test_an_unknown_tier_has_no_plan() -> None:
    with pytest.raises(KeyError):
        load_plans(SHIPPED).get_tier("gold")


def test_every_field_of_the_shipped_file_is_explained_by_a_comment() -> None:
    explained = {}
    for line in SHIPPED.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name = line.split("=")[0].strip()
            explained[name] = explained.get(name, False) or "#" in line
    assert [name for name, is_explained in explained.items() if not is_explained] == []


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    assert "PLANS_FILE" in refusal(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("units_per_month = 1_000", "", "tiers.free: 'units_per_month' is missing"),
        ("units_per_month = 1_000", 'units_per_month = "1000"', "must be a whole number"),
        ("units_per_month = 1_000", "units_per_month = true", "must be a whole number"),
        ("units_per_month = 1_000", "units_per_month = 0", "must be at least 1"),
        ("monthly_usd_cents = 0 ", "monthly_usd_cents = -1 ", "must be at least 0"),
        ('name = "Free"', "name = 1", "'name' must be a text"),
        ("log_days = 7 ", "log_day = 7 ", "'log_day' is not a field"),
        ("[tiers.free]", "[tiers.gratis]", "add [tiers.free]"),
        ("[trials]", "[trial]", "'trial' is not a field"),
        ("[tiers.free]", "[tiers.free", "not valid TOML"),
    ],
)
def test_a_wrong_plans_file_is_refused_by_name(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    message = refusal(altered(tmp_path, before, after))
    assert named in message
    assert str(tmp_path) in message


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('monthly_price_id = ""  ', 'monthly_price_id = "price_1"  ', "'monthly_usd_cents' is 0"),
        ("yearly_usd_cents = 0 ", "yearly_usd_cents = 100 ", "'monthly_usd_cents' is 0"),
        ("older_price_ids = []", "older_price_ids = [7]", "must be a list of texts"),
        ("older_price_ids = []", 'older_price_ids = ["price_1", "price_1"]', "is there twice"),
        ("older_price_ids = []", 'older_price_ids = "price_1"', "must be a list of texts"),
    ],
)
def test_a_price_that_cannot_be_is_named(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    assert words in refusal(altered(tmp_path, before, after))


def test_an_older_price_still_buys_its_plan(tmp_path: Path) -> None:
    path = altered(tmp_path, "older_price_ids = []", 'older_price_ids = ["price_1"]')
    assert load_plans(path).get_tier(FREE).price_ids == ("price_1",)


def test_what_becomes_of_an_exposed_key_is_in_the_file(tmp_path: Path) -> None:
    assert load_plans(SHIPPED).exposed.grace == timedelta(hours=24)
    strict = altered(tmp_path, 'action = "grace"', 'action = "revoke"')
    assert load_plans(strict).exposed.grace == timedelta(0)


def test_file_that_does_not_say_gives_exposed_keys_a_day(tmp_path: Path) -> None:
    silent = tmp_path / "silent.toml"
    silent.write_text(SHIPPED.read_text().partition("[exposed]")[0])
    assert load_plans(silent).exposed.grace == timedelta(hours=24)


def test_unknown_action_for_exposed_keys_is_named(tmp_path: Path) -> None:
    message = refusal(altered(tmp_path, 'action = "grace"', 'action = "delete"'))
    assert "exposed: 'action' must be" in message
