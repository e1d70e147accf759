"""The billing sandbox: a local Stripe for rehearsals, which knows nothing of the rest."""

from app.sandbox.api import API_PREFIX
from app.sandbox.server import Sandbox, make_sandbox
from app.sandbox.shapes.catalog import SandboxPrice

__all__ = ["API_PREFIX", "Sandbox", "SandboxPrice", "make_sandbox"]
