"""`python -m app api` in a process of its own, to be killed and started again."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.portal import ROOT, free_port

START_SECONDS = 60
STOP_SECONDS = 30


def _plans_without_limits(folder: Path) -> Path:
    """The plans, with so much in each that no test of faults meets a limit."""
    plans = re.sub(
        r"(?m)^(units_per_month|requests_per_second|units) = [0-9_]+",
        r"\1 = 1_000_000_000",
        (ROOT / "plans.toml").read_text(),
    )
    path = folder / "plans.toml"
    path.write_text(plans)
    return path


class ApiProcess:
    """The API on one port and one database, however often it dies."""

    def __init__(self, database_url: str, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "api.log"
        self._environment = {
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE_URL": database_url,
            "VAR_DIR": str(folder / "var"),
            "PLANS_FILE": str(_plans_without_limits(folder)),
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, in a process group of its own, and return when it is ready."""
        self._process = self._spawn()
        await self._until_ready()

    async def kill(self) -> None:
        """`kill -9` it and all its children, and return when they are gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to stop, and return when it has; does nothing if it does not run."""
        await self._end(signal.SIGTERM)

    def memory_bytes(self) -> int:
        """How much memory the process holds (its resident set)."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "app", "api"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def _end(self, signal_number: int) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if signal_number == signal.SIGKILL:
            os.killpg(process.pid, signal_number)
        else:
            process.send_signal(signal_number)
        await asyncio.to_thread(process.wait, STOP_SECONDS)

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
                while not await self._is_ready(client):  # noqa: ASYNC110  # it can only be asked
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"The API did not start:\n{self._last_words()}") from None

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"The API ended:\n{self._last_words()}")
        try:
            return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]
