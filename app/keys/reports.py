"""Reports of strangers that a key is exposed: bounded, and answered alike whatever they hold."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from app.core import allowances
from app.core.allowances import Allowance, TooManyRequests
from app.core.database import unit_of_work
from app.core.pace import paced
from app.keys.exposure import Sighting, end_exposed

MOST_AT_ONCE = 100
"""Keys of one report."""

KEYS_OF_NETWORK = 300
"""An hour: who has scanned many places reports what was found in three goes."""

KEYS_OVERALL = 3000
"""An hour: what all reports together may cost the database."""

ANSWER_SECONDS = 0.25
"""What an answer takes, whatever was reported: far more than the work for it."""

_HOUR = 3600

logger = logging.getLogger(__name__)


class TooManyReports(TooManyRequests):
    """Keys were reported too often."""

    title = "Too many reports"
    words = (
        "Too many keys were reported. Try again in {wait}. A key of your own can be revoked in the "
        "portal at any time."
    )


async def take_report(
    sightings: Sequence[Sighting],
    *,
    network: str | None,
    grace: timedelta,
    root_keys: Collection[bytes],
) -> None:
    """Do about these keys what is to be done, and say nothing of it. Raises TooManyReports.

    At most MOST_AT_ONCE. `network` is None where it is not counted; `root_keys`: their SHA-256.
    """
    wanted = [Allowance("key-report", KEYS_OVERALL, _HOUR)]
    if network is not None:
        wanted.append(Allowance(f"key-report-network:{network}", KEYS_OF_NETWORK, _HOUR))
    async with unit_of_work() as session:
        await allowances.take(session, wanted, cost=len(sightings), refusal=TooManyReports)
    async with paced(ANSWER_SECONDS):
        warn_of_root_keys((one.digest for one in sightings), root_keys)
        async with unit_of_work() as session:
            await end_exposed(session, sightings, grace=grace)


def warn_of_root_keys(digests: Iterable[str], root_keys: Collection[bytes]) -> frozenset[str]:
    """Say in the log which of these are root keys', which only the operator can end; returns them.

    Their digests are all that is known of them, and what ROOT_KEYS holds.
    """
    found = frozenset(one for one in digests if bytes.fromhex(one) in root_keys)
    for digest in sorted(found):
        logger.error(
            "A root key was reported as exposed, the one whose SHA-256 is %s. Take it out of "
            "ROOT_KEYS on every machine, start Latchkey there again, and give the service another "
            "one: python -m app keys root",
            digest,
        )
    return found
