"""From the card to the call: sandbox, webhook, job, key cache, each as it runs in earnest."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.billing.checkout import start_checkout
from app.billing.prices import list_prices
from app.core.settings import Settings
from app.integrations.stripe import Gateway
from app.jobs import app as jobs_app
from app.sandbox import API_PREFIX, SandboxPrice, make_sandbox
from tests.api.browser import make_app
from tests.api.served import served
from tests.billing.shop import session_of, use_stripe
from tests.factories import make_key, make_user
from tests.metering.apps import mirror
from tests.metering.client import ask
from tests.metering.conftest import running
from tests.sandbox.stage import API_KEY, WEBHOOK_SECRET, WORKS, Stage

SECONDS = 20


async def test_paid_plan_reaches_calls_by_the_event_alone(
    unit_of_work: Any,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: Callable[[str], None],
) -> None:
    settings = Settings(
        var_dir=tmp_path,
        public_url="http://localhost:8000",
        stripe_secret_key=API_KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
    )
    prices = [
        SandboxPrice(one.id, one.tier.name, one.unit_amount, "usd", one.interval)
        for one in list_prices()
    ]
    async with unit_of_work() as session:
        user = await make_user(session)
        _, secret = await make_key(session, user)
    async with served(make_app(settings)) as portal:
        sandbox = make_sandbox(
            prices=prices,
            public_url=settings.public_url,
            api_key=API_KEY,
            webhook_url=f"{portal}/webhooks/stripe",
            webhook_secret=WEBHOOK_SECRET,
        )
        async with (
            served(sandbox) as url,
            sandbox.running(),
            jobs_app.running_jobs(),
            running(mirror(), database_url) as meter,
        ):
            use_stripe(monkeypatch, Gateway(API_KEY, base=url + API_PREFIX))
            stage = Stage(url, None, sandbox)  # type: ignore[arg-type]  # nobody asks for its receiver
            page = session_of(await start_checkout(user.id, "standard", "month"))
            await stage.pages.post(f"/sandbox/checkout/{page}", data={"card": WORKS})
            paid = time.monotonic()
            async with asyncio.timeout(SECONDS):
                while (await ask(meter, key=secret)).json()["caller"][1] != "standard":  # noqa: ASYNC110  # a call is the only way to know
                    await asyncio.sleep(0.01)
            report(f"from the payment to a call on the new plan: {time.monotonic() - paid:.2f} s")
            await stage.pages.aclose()
