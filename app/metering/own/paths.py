"""The paths of Latchkey's own routes, in one list."""

VERIFY = "/api/v1/keys/verify"
EXPOSED = "/api/v1/keys/report"
CALLS = "/api/v1/calls"
USAGE = "/api/v1/usage"
KEY = "/api/v1/key"

OWN = frozenset({VERIFY, EXPOSED, CALLS, USAGE, KEY})

OWN_TREE = "/api/v1/keys/"
"""All beneath it is ours, also what is no route yet."""
