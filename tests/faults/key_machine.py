"""Drives keys, and their model beside them, through whatever hypothesis thinks of."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.suspension import Suspended
from app.core.errors import NotFound
from app.keys.format import new_key
from app.keys.options import KeyOptions
from app.keys.rotation import rotate_key
from app.keys.service import (
    AddressNotVerified,
    KeyLimitReached,
    approve_key,
    create_key,
    revoke_key,
)
from tests.factories import make_subscription, make_trial_key, make_user, make_workspace
from tests.faults.key_model import KEYS, TRIAL_UNITS, Account, Model, ModelKey, Outcome, User
from tests.faults.key_world import STATUS, World
from tests.metering.client import Reply

ROUTES = {"/api/v1/screen": ("POST", 1), "/api/v1/lists": ("GET", 0), "/api/v1/dear/1": ("GET", 7)}
NETWORKS = {"anywhere": None, "here": ["127.0.0.0/8"], "elsewhere": ["10.0.0.0/8"]}

quietly = st.booleans()
paths = st.sampled_from([*ROUTES, "/api/v1/screen"])
statuses = st.sampled_from([200, 500, 200, 200])


class KeyMachine(RuleBasedStateMachine):
    """Two users, one of them unverified, and a trial. All their keys, on one meter."""

    keys = Bundle("keys")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.model = Model()

    @initialize(target=keys)
    def begin(self) -> Any:
        async def make(session: AsyncSession) -> tuple[User, User, Account, ModelKey]:
            first = await make_user(session)
            second = await make_user(session, email_verified=None)
            for user in (first, second):
                await make_subscription(session, user)
            workspace = await make_workspace(session, first)
            row, secret = await make_trial_key(session, workspace)
            user = User(first.id, is_verified=True)
            trial = Account(workspace.id, first.id, units=TRIAL_UNITS, is_trial=True)
            return (
                user,
                User(second.id, is_verified=False),
                trial,
                ModelKey(row.id, secret, trial, user),
            )

        *self.users, self.trial, trial_key = self.world.change(make)
        self.accounts = {user.id: Account(user.id, user.id) for user in self.users}
        self.model.keys = [trial_key]
        return multiple(self._create(self.users[0]), trial_key)

    @rule(target=keys, number=st.sampled_from([0, 0, 1]))
    def create(self, number: int) -> Any:
        return self._create(self.users[number])

    def _create(self, user: User) -> Any:
        in_use = [key for key in self._keys_of(user) if key.takes_a_place]
        options = KeyOptions("Test")

        async def work(session: AsyncSession) -> Any:
            return await create_key(session, user.id, options=options, limit=KEYS)

        if user.is_suspended:
            self._must_raise(Suspended, work)
            return multiple()
        if len(in_use) >= KEYS:
            self._must_raise(KeyLimitReached, work)
            return multiple()
        made = self.world.change(work)
        status = "active" if user.is_verified else "pending_verification"
        assert made.status == status
        return self._add(ModelKey(made.id, made.secret, self.accounts[user.id], user, status))

    @rule(target=keys, key=keys, grace=st.sampled_from(["1h", "now", "24h"]), quietly=quietly)
    def rotate(self, key: ModelKey, grace: str, quietly: bool) -> Any:
        async def work(session: AsyncSession) -> Any:
            return await rotate_key(session, key.user.id, key.id, grace=grace)

        if key.user.is_suspended:
            self._must_raise(Suspended, work)
            return multiple()
        if key.account.is_trial or key.status != "active" or key.grace != "never":
            self._must_raise(NotFound, work)
            return multiple()
        made = self.world.change(work, quietly=quietly)
        if grace == "now":
            key.status = "revoked"
        else:
            key.grace = "later"
        new = ModelKey(made.id, made.secret, key.account, key.user)
        new.expires, new.allowed = key.expires, key.allowed
        self._probe(key, new)
        return self._add(new)

    @rule(key=keys, quietly=quietly)
    def revoke(self, key: ModelKey, quietly: bool) -> None:
        if key.account.is_trial:
            statement = "UPDATE \"TrialApiKey\" SET status = 'revoked' WHERE id = %s"
            self.world.execute(statement, key.id, quietly=quietly)
        else:
            self.world.change(lambda s: revoke_key(s, key.user.id, key.id), quietly=quietly)
        key.status = "revoked"
        self._probe(key)

    @rule(key=keys, quietly=quietly)
    def approve(self, key: ModelKey, quietly: bool) -> None:
        async def work(session: AsyncSession) -> None:
            await approve_key(session, key.user.id, key.id)

        if not key.user.is_verified:
            self._must_raise(AddressNotVerified, work)
        elif key.status != "pending_verification":
            self._must_raise(NotFound, work)
        else:
            self.world.change(work, quietly=quietly)
            key.status = "active"
            self._probe(key)

    @rule(quietly=quietly)
    def verify_the_second_user(self, quietly: bool) -> None:
        statement = 'UPDATE "User" SET "emailVerified" = now() WHERE id = %s'
        self.world.execute(statement, self.users[1].id, quietly=quietly)
        self.users[1].is_verified = True

    @rule(key=keys, moment=st.sampled_from(["passed", "later", "never"]), quietly=quietly)
    def set_expiry(self, key: ModelKey, moment: Any, quietly: bool) -> None:
        """Counted from its making, so that a key that replaces it gets the same."""
        hours = {"never": None, "later": 24, "passed": -24}[moment]
        self._update_detail(
            key, '"expiresAt"', "made.at + make_interval(hours => %s)", hours, quietly
        )
        key.expires = moment
        self._probe(key)

    @rule(number=st.sampled_from([0, 0, 1]), quietly=quietly)
    def let_graces_pass(self, number: int, quietly: bool) -> None:
        for key in self._keys_of(self.users[number]):
            if key.grace == "later":
                value = "now() - make_interval(hours => %s)"
                self._update_detail(key, '"graceEndsAt"', value, 1, quietly)
                key.grace = "passed"
                self._probe(key)
                if key.refusal() == "expired_key" and key.expires != "passed":
                    self.world.seen["grace passed"] += 1

    @rule(key=keys, place=st.sampled_from(["anywhere", "here", "elsewhere"]), quietly=quietly)
    def set_allow_list(self, key: ModelKey, place: Any, quietly: bool) -> None:
        self._update_detail(key, '"allowedIps"', "%s::text[]", NETWORKS[place], quietly)
        key.allowed = place
        self._probe(key)

    @rule(number=st.integers(0, 1), is_so=st.booleans(), quietly=quietly)
    def suspend_or_reinstate(self, number: int, is_so: bool, quietly: bool) -> None:
        user = self.users[number]
        user.is_suspended = is_so
        statement = (
            'INSERT INTO latchkey."UserDetail" ("userId", "suspendedAt") VALUES (%s, {0}) '
            'ON CONFLICT ("userId") DO UPDATE SET "suspendedAt" = {0}'
        ).format("now()" if is_so else "NULL")
        self.world.execute(statement, user.id, quietly=quietly)
        self._probe(*(key for key in self.model.keys if key.user is user))

    @rule(is_over=st.booleans(), quietly=quietly)
    def move_the_trials_end(self, is_over: bool, quietly: bool) -> None:
        statement = (
            'UPDATE "TrialWorkspace" SET "expiresAt" = now() + make_interval(hours => %s) '
            "WHERE id = %s"
        )
        self.world.execute(statement, -1 if is_over else 1, self.trial.id, quietly=quietly)
        self.trial.is_over = is_over
        self._probe(*(key for key in self.model.keys if key.account is self.trial))

    @rule(number=st.integers(0, 1), quietly=quietly)
    def begin_a_new_period(self, number: int, quietly: bool) -> None:
        """A minute after the one before, each time: no two are the same."""
        statement = (
            'UPDATE "Subscription" SET "currentPeriodStart" = "currentPeriodStart" '
            "+ interval '1 minute' WHERE \"userId\" = %s"
        )
        self.world.execute(statement, self.users[number].id, quietly=quietly)
        self.accounts[self.users[number].id].used = 0
        self._probe(*self._keys_of(self.users[number]))

    @rule(seconds=st.sampled_from([0.5, 1.0]))
    def wait_a_while(self, seconds: float) -> None:
        self.world.now += seconds
        self.model.wait(seconds)

    @rule(
        key=keys,
        calls=st.lists(st.tuples(paths, statuses), min_size=1, max_size=6),
        header=st.sampled_from(["Authorization", "X-API-Key", "both"]),
    )
    def call(self, key: ModelKey, calls: list[tuple[str, int]], header: str) -> None:
        for path, status in calls:
            method, units = ROUTES[path]
            expected = key.call(units, status)
            headers = [(STATUS, str(status)), *_headers_of(key, header)]
            self._check(key, self.world.ask(method, path, headers=headers), expected)

    @rule(key=keys, times=st.integers(2, 8), path=st.sampled_from(list(ROUTES)))
    def call_at_once(self, key: ModelKey, times: int, path: str) -> None:
        """As one after another, but that nobody knows who of them is refused."""
        method, units = ROUTES[path]
        expected = Counter(key.call(units, 200) for _ in range(times))
        replies = self.world.ask_at_once(times, method, path, key=key.secret)
        got = [_outcome_of(reply) for reply in replies]
        assert Counter((one.status, one.code, one.units) for one in got) == Counter(
            (one.status, one.code, one.units) for one in expected.elements()
        )
        for reply, outcome in zip(replies, got, strict=True):
            self._note(key, reply, outcome)

    @rule(key=keys, other=keys)
    def call_with_two_keys(self, key: ModelKey, other: ModelKey) -> None:
        if key is not other:
            headers = [*_headers_of(key, "Authorization"), *_headers_of(other, "X-API-Key")]
            reply = self.world.ask("POST", "/api/v1/screen", headers=headers)
            self._check(key, reply, key.refused(400, "conflicting_keys"))

    @rule(secret=st.sampled_from([None, "lk_live_nonsense", "unknown"]))
    def call_as_a_stranger(self, secret: str | None) -> None:
        sent = new_key("live") if secret == "unknown" else secret
        reply = self.world.ask("POST", "/api/v1/screen", key=sent)
        assert reply.status == 401
        assert reply.json()["code"] == ("missing_key" if secret is None else "invalid_key")

    def teardown(self) -> None:
        ids = [key.id for key in self.model.keys]
        rows = self.world.rows(_ROWS, ids, ids)
        assert {row[0]: tuple(row[1:4]) for row in rows} == self.model.rows
        assert {row[0]: row[4] for row in rows} == self.model.times
        assert len(rows) == len(self.model.rows)
        for account in {key.account for key in self.model.keys}:
            [counted] = self.world.rows(_UNITS, account.id)
            assert counted[0] == account.used_ever

    def _add(self, key: ModelKey) -> ModelKey:
        self.model.keys.append(key)
        return key

    def _keys_of(self, user: User) -> list[ModelKey]:
        account = self.accounts[user.id]
        return [key for key in self.model.keys if key.account is account]

    def _update_detail(
        self, key: ModelKey, column: str, value: str, param: Any, quietly: bool
    ) -> None:
        kind = "Trial" if key.account.is_trial else ""
        table = "TrialApiKey" if kind else "ApiKeyMetadata"
        statement = (
            f'UPDATE latchkey."{kind}ApiKeyDetail" SET {column} = {value} '
            f'FROM (SELECT "createdAt" AS at FROM "{table}" WHERE id = %s) AS made '
            'WHERE "keyId" = %s'
        )
        self.world.execute(statement, param, key.id, key.id, quietly=quietly)

    def _probe(self, *keys: ModelKey) -> None:
        """A free call of each, at once after what changed it."""
        self.wait_a_while(0.5)
        for key in keys:
            reply = self.world.ask("GET", "/api/v1/lists", key=key.secret)
            self._check(key, reply, key.call(0, 200))

    def _must_raise(self, error: type[Exception], work: Any) -> None:
        with pytest.raises(error):
            self.world.change(work)

    def _check(self, key: ModelKey, reply: Reply, expected: Outcome) -> None:
        assert _outcome_of(reply) == expected
        self._note(key, reply, expected)

    def _note(self, key: ModelKey, reply: Reply, outcome: Outcome) -> None:
        self.world.seen[outcome.code or str(outcome.status)] += 1
        self.model.note(reply.request_id, key, outcome)


_ROWS = """
    SELECT call.id, "apiKeyId", "statusCode", units, coalesce(note.times, 1) FROM (
        SELECT id, "apiKeyId", "statusCode", units FROM "ApiCall" WHERE "apiKeyId" = ANY (%s)
        UNION ALL
        SELECT id, "apiKeyId", "statusCode", units FROM latchkey."TrialApiCall"
        WHERE "apiKeyId" = ANY (%s)
    ) AS call LEFT JOIN latchkey."CallNote" AS note ON note."callId" = call.id
"""
_UNITS = 'SELECT coalesce(sum(units), 0)::int FROM latchkey."UsagePeriod" WHERE "scopeId" = %s'


def _headers_of(key: ModelKey, header: str) -> list[tuple[str, str]]:
    forms = {
        "Authorization": [("Authorization", f"Bearer {key.secret}")],
        "X-API-Key": [("X-API-Key", key.secret)],
    }
    return forms.get(header) or [pair for pairs in forms.values() for pair in pairs]


def _outcome_of(reply: Reply) -> Outcome:
    is_problem = "application/problem+json" in reply.headers.get("content-type", "")
    code = reply.json()["code"] if is_problem else ""
    units, left = (int(reply.headers[name]) for name in ("x-units", "x-quota-remaining"))
    return Outcome(reply.status, code, units, left)
