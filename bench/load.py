"""The load: wrk, which one thread of keeps both cores of a small machine busy."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")


class NoLoadGenerator(Exception):
    """There is no wrk here."""


@dataclass(frozen=True)
class Measured:
    """What one run of the load saw; latencies are of whole requests."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def calls_per_second(self) -> float:
        """The rate of answers that were neither refused nor broken off."""
        return (self.calls - self.refused) / self.seconds


def find_wrk() -> str:
    """The path of wrk; installs Debian's package when root. Raises NoLoadGenerator."""
    found = shutil.which("wrk")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "wrk"], check=False, capture_output=True)
        found = shutil.which("wrk")
    if found is None:
        raise NoLoadGenerator("wrk is missing. Install it with: apt-get install wrk")
    return found


def run_load(port: int, path: str, keys: Path, *, connections: int, seconds: int) -> Measured:
    """Ask this path with each key of the file in turn, over so many connections."""
    done = subprocess.run(
        [find_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT),
         f"http://127.0.0.1:{port}"],
        env={**os.environ, "BENCH_KEYS": str(keys), "BENCH_PATH": path},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    [result] = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return Measured(**json.loads(result.removeprefix("RESULT ")))
