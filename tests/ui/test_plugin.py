"""Pages built for one address work on every other."""

import subprocess
import sys
from pathlib import Path

import pytest
from reflex.plugins import PreCompileContext

from app.ui.plugin import SameOriginPlugin, with_same_origin


def written_script() -> str:
    """What the compiler writes with our plugin."""
    tasks = []
    context = PreCompileContext(
        add_save_task=lambda task, *_, **__: tasks.append(task),
        add_modify_task=lambda *_: None,
        radix_themes_plugin=None,
        unevaluated_pages=[],
    )
    SameOriginPlugin().pre_compile(**context)
    (name, script), *others = [task() for task in tasks]
    assert (name, others) == ("utils/state.js", [])
    return script


def backend_url(location: str, baked: str) -> str:
    """What the written getBackendURL makes of a baked address, on a page at `location`."""
    script = written_script()
    start = script.index("export const getBackendURL")
    function = script[start : script.index("\n};", start) + 3].removeprefix("export ")
    program = (
        f"const window = {{location: new URL('{location}')}};"
        f"const SAME_DOMAIN_HOSTNAMES = ['localhost'];{function}"
        f"process.stdout.write(getBackendURL('{baked}').href)"
    )
    node = Path(sys.executable).with_name("node")
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://localhost:4242/keys/", "ws://localhost:4242/_event"),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/_event"),
        ("https://api.example.com/keys/", "wss://api.example.com/_event"),
        ("https://api.example.com:8443/", "wss://api.example.com:8443/_event"),
        ("http://[::1]:8000/", "ws://[::1]:8000/_event"),
    ],
)
@pytest.mark.parametrize("baked", ["ws://localhost:8000/_event", "wss://x.example.com/_event"])
def test_socket_goes_to_the_origin_of_the_page(location: str, expected: str, baked: str) -> None:
    assert backend_url(location, baked) == expected


def test_plain_requests_go_to_the_origin_of_the_page() -> None:
    found = backend_url("https://api.example.com/", "http://localhost:8000/ping")
    assert found == "https://api.example.com/ping"


@pytest.mark.parametrize("count", [0, 2])
def test_unknown_version_of_reflexes_script_stops_the_build(count: int) -> None:
    with pytest.raises(RuntimeError, match="no longer has the line"):
        with_same_origin("  const endpoint = new URL(url_str);\n" * count)
