"""Whose key a digest is and what it may do; the query that says so for many at once."""

import sys
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import LiteralString

from app.core.errors import LatchkeyError
from app.metering.floods import Flood
from app.metering.limits import Bucket, Quota, Terms
from app.metering.problems import (
    AccountSuspended,
    ExpiredKey,
    IpNotAllowed,
    KeyPendingVerification,
    PaymentRequired,
    RevokedKey,
    TrialEnded,
)
from app.metering.wire import element

_REFUSALS: dict[str, type[LatchkeyError]] = {
    error.code: error
    for error in (
        AccountSuspended,
        KeyPendingVerification,
        PaymentRequired,
        RevokedKey,
        TrialEnded,
    )
}
NEVER_MS = 2**63
"""Later than any moment."""

# A live key goes before a trial key with the same digest: a converted trial key is a live key.
# Any status but 'active' refuses: another program's status is no permission.
# Where a plan ends by time (days of grace, a cancelled plan's last period), the end is told too,
# for then no row changes. So is a trial's, after which it is asked anew whether it was converted.
FIND: LiteralString = """
WITH asked AS (SELECT unnest($1::text[]) AS digest),
clock AS (SELECT now() AT TIME ZONE 'UTC' AS now),
found AS (
  SELECT asked.digest, key.id, false AS is_trial,
    CASE WHEN bought.id IS NULL OR plan.is_given OR latchkey.is_payment_required(bought.status)
      THEN key.tier ELSE 'free' END AS tier,
    key."userId" AS owner_id,
    key."userId" AS scope_id, period.anchor + make_interval(months => months.n) AS starts,
    period.anchor + make_interval(months => months.n + 1) AS ends,
    CASE
      WHEN key.status = 'revoked' OR key."revokedAt" IS NOT NULL THEN 'revoked_key'
      WHEN account."suspendedAt" IS NOT NULL THEN 'account_suspended'
      WHEN key.status = 'pending_verification' THEN 'key_pending_verification'
      WHEN key.status <> 'active' THEN 'revoked_key'
      WHEN NOT plan.is_given AND latchkey.is_payment_required(bought.status)
        THEN 'payment_required'
    END AS refusal,
    least(detail."expiresAt", detail."graceEndsAt") AS expires,
    NULL::timestamp AS trial_ends, detail."allowedIps" AS ips,
    concat('live ', key.xmin, ' ', detail.xmin, ' ', account.xmin, ' ', bought.xmin) AS version,
    CASE WHEN plan.is_given AND isfinite(plan.until) THEN plan.until END AS plan_ends
  FROM clock, asked JOIN "ApiKeyMetadata" key ON key."keyHash" = asked.digest
  LEFT JOIN latchkey."ApiKeyDetail" detail ON detail."keyId" = key.id
  LEFT JOIN latchkey."UserDetail" account ON account."userId" = key."userId"
  LEFT JOIN "Subscription" bought ON bought."userId" = key."userId"
  LEFT JOIN latchkey."BillingAccount" billed ON billed."userId" = bought."userId",
  LATERAL (SELECT latchkey.plan_until(bought.status, bought."currentPeriodStart",
    bought."currentPeriodEnd", bought."updatedAt", billed."unpaidSince", billed."isOver"))
    paid (until),
  LATERAL (SELECT paid.until, clock.now < paid.until) plan (until, is_given),
  LATERAL (SELECT CASE WHEN plan.is_given
    THEN coalesce(billed."monthAnchor", bought."currentPeriodStart") END) own (start),
  LATERAL (SELECT coalesce(own.start, date_trunc('month', clock.now))) period (anchor),
  LATERAL (SELECT CASE WHEN own.start IS NULL THEN 0
    ELSE latchkey.months_since(period.anchor, clock.now) END) months (n)
  UNION ALL
  SELECT asked.digest, key.id, true, workspace.tier, workspace."ownerId",
    workspace.id, workspace."createdAt", NULL,
    CASE
      WHEN key.status = 'revoked' OR key."revokedAt" IS NOT NULL THEN 'revoked_key'
      WHEN account."suspendedAt" IS NOT NULL THEN 'account_suspended'
      WHEN workspace.status <> 'active' OR workspace."expiresAt" <= clock.now
        THEN 'trial_ended'
      WHEN key.status <> 'active' THEN 'revoked_key'
    END,
    detail."expiresAt", workspace."expiresAt", detail."allowedIps",
    concat('trial ', key.xmin, ' ', detail.xmin, ' ', account.xmin, ' ', workspace.xmin), NULL
  FROM clock, asked JOIN "TrialApiKey" key ON key."keyHash" = asked.digest
  JOIN "TrialWorkspace" workspace ON workspace.id = key."workspaceId"
  LEFT JOIN latchkey."UserDetail" account ON account."userId" = workspace."ownerId"
  LEFT JOIN latchkey."TrialApiKeyDetail" detail ON detail."keyId" = key.id
)
SELECT DISTINCT ON (digest) digest, id, is_trial, tier, owner_id, scope_id,
  to_char(starts, 'YYYY-MM-DD"T"HH24:MI:SS.MS'), (extract(epoch FROM ends) * 1000)::bigint,
  refusal, (extract(epoch FROM expires) * 1000)::bigint,
  (extract(epoch FROM trial_ends) * 1000)::bigint,
  to_char(trial_ends, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), array_to_string(ips, ','),
  coalesce((SELECT sum(units) FROM latchkey."UsagePeriod" used
    WHERE used."scopeId" = scope_id AND used."startsAt" = starts), 0),
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint, version,
  (extract(epoch FROM plan_ends) * 1000)::bigint
FROM found ORDER BY digest, is_trial
"""

# A row's xmin changes with each change to it, whoever makes it, and locks leave it alone: so
# this costs a fifth of the above, and mostly nothing comes back.
CHANGED: LiteralString = """
SELECT asked.digest FROM unnest($1::text[], $2::text[]) AS asked (digest, version)
WHERE asked.version IS DISTINCT FROM coalesce(
  (SELECT concat('live ', key.xmin, ' ', detail.xmin, ' ', account.xmin, ' ', bought.xmin)
   FROM "ApiKeyMetadata" key
   LEFT JOIN latchkey."ApiKeyDetail" detail ON detail."keyId" = key.id
   LEFT JOIN latchkey."UserDetail" account ON account."userId" = key."userId"
   LEFT JOIN "Subscription" bought ON bought."userId" = key."userId"
   WHERE key."keyHash" = asked.digest),
  (SELECT concat('trial ', key.xmin, ' ', detail.xmin, ' ', account.xmin, ' ', workspace.xmin)
   FROM "TrialApiKey" key
   JOIN "TrialWorkspace" workspace ON workspace.id = key."workspaceId"
   LEFT JOIN latchkey."UserDetail" account ON account."userId" = workspace."ownerId"
   LEFT JOIN latchkey."TrialApiKeyDetail" detail ON detail."keyId" = key.id
   WHERE key."keyHash" = asked.digest))
"""
Network = IPv4Network | IPv6Network
Row = Sequence[bytes | None]


class Grant:
    """What a genuine key may do, and what is going on with it: its bucket, its calls in work."""

    __slots__ = (
        "allowed",
        "bucket",
        "checked_at",
        "expires_ms",
        "flood",
        "in_work",
        "is_trial",
        "key_element",
        "key_id",
        "learned_at",
        "owner_element",
        "owner_id",
        "quota",
        "refusal_code",
        "seen",
        "stale_at",
        "terms",
        "tier",
        "trial_ends",
        "trial_ends_ms",
        "turns_ms",
        "used_at",
        "version",
    )

    key_id: str
    key_element: str
    owner_id: str
    owner_element: str
    tier: str
    is_trial: bool
    quota: Quota
    terms: Terms
    refusal_code: str | None
    expires_ms: int
    trial_ends_ms: int
    turns_ms: int
    trial_ends: bytes | None
    allowed: tuple[Network, ...] | None

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.in_work = 0
        self.flood: Flood | None = None
        self.seen = 0
        """The hash of the columns that `fill` took, to notice that nothing has changed."""
        self.version = b""
        """Which versions of the database's rows it was learned from, and when."""
        self.learned_at = 0.0
        self.checked_at = 0.0
        self.stale_at = 0.0
        self.used_at = 0.0

    def fill(self, row: Row, quota: Quota, terms: Terms) -> None:
        """Take over what the database says."""
        self.key_id, self.tier = text(row[1]), sys.intern(text(row[3]))
        # Shared, not a copy each: a hundred thousand of these are to fit in 150 MB.
        self.owner_id = quota.scope_id if row[4] == row[5] else text(row[4])
        self.key_element, self.owner_element = element(self.key_id), element(self.owner_id)
        self.is_trial = row[2] == b"t"
        self.quota, self.terms = quota, terms
        self.refusal_code = None if row[8] is None else text(row[8])
        self.expires_ms = NEVER_MS if row[9] is None else int(row[9])
        self.trial_ends_ms = NEVER_MS if row[10] is None else int(row[10])
        self.trial_ends = row[11]
        # When what is known here stops being true by itself: a new period, the plan's end, or the
        # trial's. A trial that was converted just before its end is then not refused for want of
        # the news.
        self.turns_ms = min(
            quota.ends_ms or NEVER_MS,
            NEVER_MS if row[16] is None else int(row[16]),
            self.trial_ends_ms if self.refusal_code is None else NEVER_MS,
        )
        self.allowed = None if row[12] is None else _networks(text(row[12]))

    def check(self, now_ms: int) -> None:
        """Raise the refusal that this key gets at this time of the database, if any."""
        if self.refusal_code is not None:
            raise _REFUSALS[self.refusal_code]()
        if now_ms >= self.trial_ends_ms:
            raise TrialEnded
        if now_ms >= self.expires_ms:
            raise ExpiredKey

    def check_address(self, address: str | None) -> None:
        """Raise IpNotAllowed unless the key's list, if it has one, holds this address."""
        if self.allowed is not None and not _is_in(address, self.allowed):
            raise IpNotAllowed


def text(value: bytes | None) -> str:
    """A column that is not null, as text."""
    return (value or b"").decode()


def _networks(listed: str) -> tuple[Network, ...]:
    """The networks of an allow-list; what is none lets nobody in."""
    networks = []
    for one in filter(None, listed.split(",")):
        try:
            networks.append(ip_network(one.strip(), strict=False))
        except ValueError:
            continue
    return tuple(networks)


def _is_in(address: str | None, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)
