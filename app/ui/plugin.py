"""What Reflex's page builder must do differently for us."""

from pathlib import Path
from typing import Unpack

import reflex as rx
from reflex.constants import Templates
from reflex.plugins import PreCompileContext

_SCRIPT = "utils/state.js"
_ANCHOR = "  const endpoint = new URL(url_str);\n"
_SAME_ORIGIN = """\
  if (typeof window !== "undefined") {
    const secure = window.location.protocol === "https:" ? "s" : "";
    endpoint.protocol = endpoint.protocol.startsWith("ws") ? `ws${secure}:` : `http${secure}:`;
    endpoint.hostname = window.location.hostname;
    endpoint.port = window.location.port;
    return endpoint;
  }
"""


class SameOriginPlugin(rx.plugins.Plugin):
    """Makes the pages talk to the origin that served them, whatever its name and port.

    Reflex bakes one address into the bundle at build time and corrects only its host
    name in the browser, so pages built for port 8000 would be dead on any other.
    """

    def pre_compile(self, **context: Unpack[PreCompileContext]) -> None:
        """Have the compiler write our variant of Reflex's connection script."""
        context["add_save_task"](_same_origin_script)


def _same_origin_script() -> tuple[str, str]:
    """Reflex's own script, read afresh, with our lines put in."""
    source = Path(Templates.Dirs.WEB_TEMPLATE) / _SCRIPT
    return _SCRIPT, with_same_origin(source.read_text(encoding="utf-8"))


def with_same_origin(script: str) -> str:
    """The connection script with our lines in it.

    Raises RuntimeError when the place for them is not found exactly once: then Reflex
    has changed, and pages built without them would connect to the wrong address.
    """
    if script.count(_ANCHOR) != 1:
        raise RuntimeError(
            f"Reflex's {_SCRIPT} no longer has the line that SameOriginPlugin extends. "
            "Compare getBackendURL there with app/ui/plugin.py, or go back to the Reflex "
            "version in requirements.txt."
        )
    return script.replace(_ANCHOR, _ANCHOR + _SAME_ORIGIN)
