"""Scripts as modules."""

import importlib.util
import sys
from types import ModuleType

from app.core.settings import ROOT


def load_script(name: str) -> ModuleType:
    """`scripts/<name>.py`, freshly loaded, so that a test may change what is in it."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
