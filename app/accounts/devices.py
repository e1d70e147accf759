"""What a browser says of itself, in words that its person knows."""

from functools import lru_cache

from ua_parser import parse

UNKNOWN = "Unknown device"
_LONGEST = 60


@lru_cache(maxsize=1024)
def device_name(user_agent: str) -> str:
    """`Firefox on Linux`; as much of it as is recognised, or `Unknown device`.

    The first call of a process reads some thousand rules, for a tenth of a second.
    """
    found = parse(user_agent)
    parts = [part.family for part in (found.user_agent, found.os) if part is not None]
    name = " on ".join(parts) or UNKNOWN
    # a rule may take the name from the text itself, and that is the client's word
    return name[:_LONGEST] if name.isprintable() else UNKNOWN
