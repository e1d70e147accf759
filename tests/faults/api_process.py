"""`python -m app api` in a process of its own, to be killed, stopped and started again."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.portal import ROOT, free_port

START_SECONDS = 60
STOP_SECONDS = 45
CHILDREN_SECONDS = 2
"""How long a child may outlive the process that was asked to stop."""
PLENTY = 1_000_000_000
APP = (sys.executable, "-m", "app")


def write_plans(folder: Path, *, units: int = PLENTY, rate: int = PLENTY) -> Path:
    """The plans, with so much in each; without more said, no test of faults meets a limit."""
    text = (ROOT / "plans.toml").read_text()
    text = re.sub(r"(?m)^(units_per_month|units) = [0-9_]+", rf"\1 = {units}", text)
    text = re.sub(r"(?m)^(requests_per_second) = [0-9_]+", rf"\1 = {rate}", text)
    path = folder / "plans.toml"
    path.write_text(text)
    return path


class ApiProcess:
    """The API on one port and one database, however often it dies.

    `program`: what runs the command `api`. `settings` go before those that are made here.
    """

    def __init__(
        self,
        database_url: str,
        folder: Path,
        *,
        program: Sequence[str] = APP,
        workers: int = 1,
        **settings: str,
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._command = [*program, "api", "--workers", str(workers)]
        self._log = folder / f"api-{port}.log"
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE_URL": database_url,
            "VAR_DIR": str(folder / "var"),
            "PLANS_FILE": settings.pop("PLANS_FILE", None) or str(write_plans(folder)),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, in a process group of its own, and return when it is ready."""
        self._process = self._spawn()
        await self._until_ready()

    async def kill(self) -> None:
        """`kill -9` it and all its children, and return when they are gone."""
        if self._process is not None:
            process, self._process = self._process, None
            os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait, STOP_SECONDS)

    async def stop(self) -> int:
        """Ask it to stop; how it ended, once it and all its children have."""
        self.terminate()
        return await self.until_ended()

    def terminate(self) -> None:
        """Send SIGTERM to the process that was started, and to none of its children."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def until_ended(self) -> int:
        """Return its exit code when it has ended, and all its children with it."""
        assert self._process is not None
        code = await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        async with asyncio.timeout(CHILDREN_SECONDS):
            while self._has_group():  # noqa: ASYNC110  # it can only be asked
                await asyncio.sleep(0.01)
        self._process = None
        return code

    def _has_group(self) -> bool:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def memory_bytes(self) -> int:
        """How much memory the process holds (its resident set)."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
                while not await self._is_ready(client):  # noqa: ASYNC110  # it can only be asked
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"The API did not start:\n{self.log()}") from None

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"The API ended:\n{self.log()}")
        try:
            return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        """The end of what it has logged."""
        return self._log.read_text(errors="replace")[-4000:]
