"""Drives trials, and their model beside them, through whatever hypothesis thinks of."""

from copy import deepcopy
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.apply import PLAN_STARTED_TASK, write
from app.billing.facts import Facts
from app.core.crypto import sha256_hex
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.flows.trial_conversion import buy_and_convert
from app.jobs.accounts import plan_started
from app.keys import service as live_keys
from app.keys.service import NewKey
from app.models import BillingAccount, Subscription, TrialWorkspace
from app.trials.endings import follow_ends
from app.trials.service import start_trial
from tests.factories import make_user
from tests.faults.key_world import World
from tests.faults.trial_acts import (
    ACTS,
    CALLS,
    END_NOW,
    JOBS,
    LIVE,
    LIVE_ID,
    PASS,
    TRIALS,
    bought,
    outcome_of,
)
from tests.faults.trial_model import OK, Customer, TrialKey, TrialModel
from tests.metering.client import Reply

TIERS = st.sampled_from(["standard", "enterprise"])
WHO, WHICH = st.integers(0, 1), st.integers(0, 99)
QUIETLY = st.booleans()
NAMES = st.sampled_from(list(ACTS))
HOURS = st.sampled_from([1, 30, 100, 8 * 24, 31 * 24, 366 * 24])


class TrialMachine(RuleBasedStateMachine):
    """Two customers at Stripe who have bought nothing, and their trials, on one meter.

    What is drawn depends on nothing that came of it: of two acts at once either may be first.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.model = TrialModel()
        self.calls: dict[str, tuple[str, bool]] = {}
        """By id: the trial's key, and whether it was answered as a live one."""
        self.last_job = 0
        self._statuses: dict[str, set[int]] = {}

    @initialize(
        has_plan=st.booleans(),
        is_wished=st.booleans(),
        hours=st.sampled_from([0, 12 * 24, 15 * 24, 20 * 24, 45 * 24]),
    )
    def begin(self, has_plan: bool, is_wished: bool, hours: int) -> None:
        async def make(session: AsyncSession) -> list[Customer]:
            users = [await make_user(session) for _ in range(2)]
            for user in users:
                row = {"stripe_customer_id": f"cus_{user.id}", "status": "incomplete"}
                session.add(Subscription(user_id=user.id, **row))
                session.add(BillingAccount(user_id=user.id))
            return [Customer(user.id) for user in users]

        self.model.customers = self.world.change(make)
        self.start(0, "standard")
        if hours:
            self.let_time_pass(hours, quietly=False)
        if is_wished:
            self.wish(0)
        if has_plan:
            self.pay(0, "enterprise")

    @rule(who=WHO, tier=TIERS)
    def start(self, who: int, tier: str) -> None:
        customer = self.model.customers[who]

        async def work(session: AsyncSession) -> TrialWorkspace:
            return await start_trial(session, customer.id, name="Ünïcode GmbH", tier_id=tier)

        outcome, made = self._try(work)
        assert outcome == self.model.start(customer, tier)
        self.world.seen[f"start {outcome}"] += 1
        if made is not None:
            trial = self.model.trials[-1]
            trial.id, trial.slug, trial.name = made.id, made.slug, made.name
            self._do("make_key", len(self.model.trials) - 1, quietly=False)

    @rule(which=WHICH, quietly=QUIETLY)
    def convert(self, which: int, quietly: bool) -> None:
        self._do("convert", which, quietly=quietly)

    @rule(which=WHICH, quietly=QUIETLY)
    def cancel(self, which: int, quietly: bool) -> None:
        self._do("cancel", which, quietly=quietly)

    @rule(which=WHICH, quietly=QUIETLY)
    def make_key(self, which: int, quietly: bool) -> None:
        self._do("make_key", which, quietly=quietly)

    @rule(which=WHICH, quietly=QUIETLY)
    def revoke_key(self, which: int, quietly: bool) -> None:
        self._do("revoke_key", which, quietly=quietly)

    @rule(which=WHICH, quietly=QUIETLY)
    def extend(self, which: int, quietly: bool) -> None:
        self._do("extend", which, quietly=quietly)

    @rule(which=WHICH, name=NAMES, other=NAMES)
    def act_at_once(self, which: int, name: str, other: str) -> None:
        """Two acts on one trial: they end as if one had been before the other."""
        number = which % len(self.model.trials)
        ends = self.world.at_once(*(self._unit(one, number) for one in (name, other)))
        outcomes = [outcome_of(end) for end in ends]
        for order in ((0, 1), (1, 0)):
            model = deepcopy(self.model)
            expected = {at: model.act((name, other)[at], number) for at in order}
            if [expected[0], expected[1]] == outcomes:
                self.model = model
                break
        else:
            raise AssertionError(f"{name} and {other} at once: {outcomes}")
        self._take_made(number, ends)
        self.world.seen[f"at once {' '.join(sorted({*outcomes}))}"] += 1
        self._probe(number)

    @rule(which=WHICH)
    def convert_under_calls(self, which: int) -> None:
        """What works before and after works all the time."""
        number = which % len(self.model.trials)
        trial = self.model.trials[number]
        keys = trial.keys
        before = [trial.status_of(key) for key in keys]
        calling = [self._call_often(key) for key in keys for _ in range(2)]
        end, *_ = self.world.at_once(self._unit("convert", number), *calling)
        assert outcome_of(end) == self.model.act("convert", number)
        after = [trial.status_of(key) for key in keys]
        for key, *allowed in zip(keys, before, after, strict=True):
            assert self._statuses.pop(key.id, set()) <= set(allowed)
            self.world.seen[f"{allowed[0]} → {allowed[1]} under calls"] += 1
        self._probe(number)

    @rule(which=WHICH, at=st.integers(0, 4))
    def revoke_what_became_of_a_key(self, which: int, at: int) -> None:
        number = which % len(self.model.trials)
        trial = self.model.trials[number]
        converted = [key for key in trial.keys if key.status == "converted"]
        if converted:
            key = converted[at % len(converted)]
            [[live_id]] = self.world.look(LIVE_ID, sha256_hex(key.secret))
            self.world.change(lambda s: live_keys.revoke_key(s, trial.owner.id, live_id))
            key.is_revoked_since = True
            self._probe(number)

    @rule(which=WHICH)
    def wish(self, which: int) -> None:
        number = which % len(self.model.trials)
        trial = self.model.trials[number]

        async def checkout(*args: Any, **kwargs: Any) -> str:
            return "https://checkout"

        with patch("app.flows.trial_conversion.start_checkout", checkout):
            asked = buy_and_convert(trial.owner.id, trial.slug, "standard", "month")
            [end] = self.world.at_once(asked)
        outcome = trial.wish()
        assert outcome_of(end) == outcome
        self.world.seen[f"wish {outcome}"] += 1
        self._probe(number)

    @rule(who=WHO, tier=TIERS)
    def pay(self, who: int, tier: str) -> None:
        customer = self.model.customers[who]
        self._apply(customer, Facts(bought(customer, tier)))
        for _ in range(self.model.pay(customer, tier)):
            self.world.seen["wish fulfilled"] += 1
        self._probe_all(customer)

    @rule(who=WHO, for_good=st.booleans())
    def stop_paying(self, who: int, for_good: bool) -> None:
        customer = self.model.customers[who]
        if for_good:
            self._apply(customer, Facts(None))
            customer.tier, customer.is_blocked = "free", False
        elif customer.tier != "free":
            self._apply(customer, Facts(bought(customer, customer.tier, status="unpaid")))
            customer.is_blocked = True
        self._probe_all(customer)

    @rule(hours=HOURS, quietly=QUIETLY)
    def let_time_pass(self, hours: int, quietly: bool) -> None:
        self.model.pass_time(hours)
        passed = {"hours": hours, "ids": [trial.id for trial in self.model.trials]}
        self.world.execute(PASS, passed, quietly=quietly)
        self._probe_all()

    @rule(which=WHICH, quietly=QUIETLY)
    def let_one_end_this_second(self, which: int, quietly: bool) -> None:
        number = which % len(self.model.trials)
        trial = self.model.trials[number]
        if trial.is_running:
            trial.left = 0
            self.world.execute(END_NOW, trial.id, quietly=quietly)
            self._probe(number)

    @rule(quietly=QUIETLY)
    def write_down_ends(self, quietly: bool) -> None:
        self.world.change(follow_ends, quietly=quietly)
        self.model.write_down_ends()
        self._probe_all()

    @invariant()
    def is_as_the_model_says(self) -> None:
        trials = self.model.trials
        rows = self.world.look(TRIALS, [trial.id for trial in trials])
        assert sorted(rows) == sorted(
            (trial.id, trial.status, trial.is_running, sorted(key.status for key in trial.keys))
            for trial in trials
        )
        expected = [
            (sha256_hex(key.secret), trial.owner.id, "Test",
             "revoked" if key.is_revoked_since else trial.owner.tier, key.id)
            for trial in trials for key in trial.keys if key.status == "converted"
        ]  # fmt: skip
        assert self.world.look(LIVE, [one.id for one in self.model.customers]) == sorted(expected)

    def teardown(self) -> None:
        ids = [key.id for trial in self.model.trials for key in trial.keys]
        found = self.world.look(CALLS, ids, ids)
        assert {row[0]: (row[1], row[2]) for row in found} == self.calls
        assert len(found) == len(self.calls)

    def _do(self, name: str, which: int, *, quietly: bool) -> None:
        number = which % len(self.model.trials)
        trial = self.model.trials[number]
        outcome, made = self._try(lambda session: ACTS[name](session, trial), quietly=quietly)
        assert outcome == self.model.act(name, number)
        self._take_made(number, [made])
        self.world.seen[f"{name} {outcome}"] += 1
        self._probe(number)

    def _try(self, work: Any, *, quietly: bool = False) -> tuple[str, Any]:
        try:
            return OK, self.world.change(work, quietly=quietly)
        except LatchkeyError as error:
            return error.code, None

    async def _unit(self, name: str, number: int) -> Any:
        async with unit_of_work() as session:
            return await ACTS[name](session, self.model.trials[number])

    def _take_made(self, number: int, ends: list[Any]) -> None:
        """Of keys that were made the model knows no more than that there are so many."""
        new = [key for key in self.model.trials[number].keys if not key.id]
        made = [end for end in ends if isinstance(end, NewKey)]
        for key, one in zip(new, made, strict=True):
            key.id, key.secret = one.id, one.secret

    def _apply(self, customer: Customer, facts: Facts) -> None:
        """As an event does; and the job that it queues, if so."""
        self.world.change(lambda session: write(session, customer.id, facts))
        queued = self.world.look(JOBS, PLAN_STARTED_TASK, customer.id, self.last_job)
        assert len(queued) <= 1
        for self.last_job, args in queued:
            self.world.at_once(plan_started(**args))

    def _probe_all(self, customer: Customer | None = None) -> None:
        for number, trial in enumerate(self.model.trials):
            if customer is None or trial.owner is customer:
                self._probe(number)

    def _probe(self, number: int) -> None:
        """A call with each of its keys, at once after what changed it."""
        trial = self.model.trials[number]
        for key in trial.keys:
            reply = self.world.ask("POST", "/api/v1/screen", key=key.secret)
            assert reply.status == trial.status_of(key), reply.body
            self.world.seen[str(reply.status)] += 1
            self._note(key, reply)

    async def _call_often(self, key: TrialKey) -> None:
        for _ in range(4):
            reply = await self.world.asking("POST", "/api/v1/screen", key=key.secret)
            self._statuses.setdefault(key.id, set()).add(reply.status)
            self._note(key, reply)

    def _note(self, key: TrialKey, reply: Reply) -> None:
        row = (key.id, "x-trial-ends" not in reply.headers)
        assert self.calls.setdefault(reply.request_id, row) == row
