"""What the doctor says of prices, against a Stripe that has them, or others."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app import doctor
from app.core.settings import ROOT, Settings
from app.sandbox import API_PREFIX, SandboxPrice
from tests.sandbox.stage import API_KEY, Stage, on_stage
from tests.test_doctor import finding

PRICES = [
    SandboxPrice("price_standard_month", "Standard", 4_900, "usd", "month"),
    SandboxPrice("price_standard_year", "Standard", 49_000, "usd", "year"),
]


@pytest.fixture(autouse=True)
def one_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is looked at by other tests, and would be started here."""

    async def well(settings: Settings) -> str:
        return "not looked at"

    monkeypatch.setattr(doctor, "_check_database", well)
    monkeypatch.setattr(doctor, "_check_schema", well)


@pytest.fixture
async def stage(unit_of_work: Any) -> AsyncIterator[Stage]:
    async with on_stage(prices=PRICES) as made:
        yield made


def plans_file(folder: Path, month: str, year: str) -> Path:
    """The shipped plans, with these prices for standard."""
    document = (ROOT / "plans.toml").read_text()
    before, header, standard = document.partition("[tiers.standard]")
    standard = standard.replace('monthly_price_id = ""', f'monthly_price_id = "{month}"', 1)
    standard = standard.replace('yearly_price_id = ""', f'yearly_price_id = "{year}"', 1)
    path = folder / "plans.toml"
    path.write_text(before + header + standard)
    return path


async def words(stage: Stage, plans: Path, **more: Any) -> tuple[bool, str]:
    settings = Settings(
        stripe_secret_key=more.get("key", API_KEY),
        stripe_webhook_secret="whsec_x",
        stripe_api_base=stage.url + API_PREFIX,
        plans_file=plans,
    )
    found = await finding("Stripe", settings)
    return found.is_ok, found.words


async def test_prices_as_in_the_plans_file_are_well(stage: Stage, tmp_path: Path) -> None:
    is_ok, said = await words(
        stage, plans_file(tmp_path, "price_standard_month", "price_standard_year")
    )
    assert is_ok
    assert said == (
        "answers, 2 prices are as in the plans file; without a price, not sold: Enterprise"
    )


@pytest.mark.parametrize(
    ("month", "year", "fault"),
    [
        ("price_nothing", "", "price_nothing is not known to Stripe"),
        ("price_standard_year", "", "is not for one month at a time"),
        ("", "price_standard_month", "is not for one year at a time"),
    ],
)
async def test_wrong_price_is_named_with_the_remedy(
    stage: Stage, tmp_path: Path, month: str, year: str, fault: str
) -> None:
    is_ok, said = await words(stage, plans_file(tmp_path, month, year))
    assert not is_ok
    assert "tiers.standard" in said
    assert fault in said


async def test_other_amount_is_named(stage: Stage, tmp_path: Path) -> None:
    path = plans_file(tmp_path, "price_standard_month", "")
    path.write_text(path.read_text().replace("monthly_usd_cents = 4_900", "monthly_usd_cents = 1"))
    is_ok, said = await words(stage, path)
    assert not is_ok
    assert "charges 4900 cents of usd, the plans file says 1 of usd" in said


async def test_stripe_is_asked_also_where_no_plan_has_a_price(stage: Stage) -> None:
    is_ok, said = await words(stage, ROOT / "plans.toml")
    assert (is_ok, "no plan has a price id" in said) == (True, True)
    stage.url = "http://127.0.0.1:1"
    is_ok, said = await words(stage, ROOT / "plans.toml")
    assert (is_ok, said.startswith("Stripe does not answer")) == (False, True)


@pytest.mark.parametrize("month", ["price_standard_month", ""])
async def test_wrong_key_is_said(stage: Stage, tmp_path: Path, month: str) -> None:
    path = plans_file(tmp_path, month, "")
    is_ok, said = await words(stage, path, key="sk_test_wrong")
    assert (is_ok, said.startswith("Stripe does not take STRIPE_SECRET_KEY")) == (False, True)


async def test_without_a_key_the_sandbox_stands_in(tmp_path: Path) -> None:
    found = await finding("Stripe", Settings())
    assert (found.is_ok, "sandbox" in found.words) == (True, True)
    away = await finding("Stripe", Settings(host="0.0.0.0", public_url="http://p.example"))
    assert away.words == "not set: nothing can be bought"
