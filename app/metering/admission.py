"""Who calls, and whether they may now: the same for every way in."""

import hashlib
import time

from app.keys.format import is_well_formed
from app.metering.address import client_address
from app.metering.asgi import Headers, Scope
from app.metering.call import Call
from app.metering.chores import Chores
from app.metering.clock import DatabaseClock
from app.metering.credentials import read_credentials, read_quickly, without_key
from app.metering.grants import Grant
from app.metering.key_cache import KeyCache
from app.metering.problems import InvalidKey
from app.metering.routes import Route


class Admission:
    """Finds the key of a call, and lets the call in or raises its refusal."""

    def __init__(
        self, clock: DatabaseClock, keys: KeyCache, chores: Chores, *, trusted_proxy_hops: int
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._chores = chores
        self._trusted_hops = trusted_proxy_hops

    def begin(self, method: str, route: Route) -> Call:
        """A call that comes now."""
        now = time.monotonic()
        return Call(now, self._clock.at_ms(now), method, route)

    def identify_quickly(self, call: Call, scope: Scope) -> Headers | None:
        """The headers without the key, of an ordinary request whose key is known; or None."""
        ordinary = read_quickly(scope)
        if ordinary is None:
            return None
        key, headers = ordinary
        grant = self._keys.known(hashlib.sha256(key).digest(), call.started)
        if grant is None:
            return None
        call.belongs_to(grant)
        return headers

    async def identify(self, call: Call, scope: Scope) -> Headers:
        """Find out whose key it is: the headers without it. Raises the refusal of any other."""
        credentials = read_credentials(scope)
        if credentials.key is not None:
            await self.look_up(call, credentials.key)
        if credentials.leaked is not None:  # after the call has its time, so that it is not before
            await self.note_leak(credentials.leaked)
        if credentials.refusal is not None:
            raise credentials.refusal
        if call.grant is None:
            raise InvalidKey
        return [
            header
            for header in without_key(scope["headers"], credentials.key or "")
            if header[0] != b"x-request-id"
        ]

    async def look_up(self, call: Call, key: str) -> None:
        """Let the call know whose key this is, if it is one. Raises RecordingUnavailable."""
        grant = None
        if is_well_formed(key):
            grant = await self._keys.find(hashlib.sha256(key.encode()).digest())
            # The first look-up is also the first time that the database's clock was heard.
            call.begin_at(self._clock.now_ms())
        if grant is not None:
            call.belongs_to(grant)

    async def note_leak(self, key: str) -> None:
        """The owner of a genuine key is to learn that it was in a URL."""
        if is_well_formed(key):
            grant = await self._keys.find(hashlib.sha256(key.encode()).digest())
            if grant is not None:
                self._chores.leaks.note(grant.key_id, self._clock.now_ms())

    def admit(self, call: Call, scope: Scope) -> str:
        """The id of the key, which counts as used. Raises the refusal that it gets now, here."""
        grant = self._check(call, scope)
        grant.bucket.take(grant.terms.requests_per_second, time.monotonic())
        self._chores.note_use(grant.key_id, call.created_ms)
        return grant.key_id

    def look(self, call: Call, scope: Scope) -> None:
        """As `admit`, and as `Call.admit` for its units, but nothing is taken and nothing noted."""
        grant = self._check(call, scope)
        grant.bucket.take(grant.terms.requests_per_second, time.monotonic())
        grant.bucket.put_back()
        call.keep(call.route.units)
        call.keep(0)

    def _check(self, call: Call, scope: Scope) -> Grant:
        grant = call.grant
        assert grant is not None  # noqa: S101  # the caller has just found it
        grant.check(call.created_ms)
        if grant.allowed is not None:
            grant.check_address(client_address(scope, self._trusted_hops))
        return grant
