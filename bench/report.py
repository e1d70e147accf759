"""What was measured, in words and in JSON: ratios beside what they are to be."""

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.contest import Results


@dataclass(frozen=True)
class Ratio:
    """Ours beside a floor or a peer, and the bound that it is to keep."""

    what: str
    value: float
    bound: float
    at_least: bool = True
    unit: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the bound is kept."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> str:
        """One line of the report."""
        relation = "at least" if self.at_least else "at most"
        verdict = "ok  " if self.is_kept else "MISS"
        return f"  {verdict}  {self.value:8.2f}{self.unit}  {relation} {self.bound:g}   {self.what}"


@dataclass
class Report:
    """Everything that one run found; printed as it comes."""

    machine: str
    database: str
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    rates: dict[str, Any] = field(default_factory=dict)
    ratios: list[Ratio] = field(default_factory=list)

    def take(self, title: str, results: Results) -> None:
        """Print and keep a contest's figures."""
        lines = [
            f"\n{title}",
            f"  {'':26} {'conn.':>5} {'calls/s':>9} {'min to max':>17} {'p99 ms':>8}",
        ]
        for (name, connections), one in results.items():
            low, high = one.rates
            failed = f"   {one.failed} failed" if one.failed else ""
            lines.append(
                f"  {name:26} {connections:5} {one.rate:9,.0f} {low:7,.0f} to {high:6,.0f} "
                f"{one.p99_ms:8.2f}{failed}"
            )
            key = f"{title}: {name}, {connections} connections"
            self.rates[key] = {
                "calls_per_second": round(one.rate),
                "min": round(low),
                "max": round(high),
                "p99_ms": round(one.p99_ms, 3),
                "failed": one.failed,
            }
        say("\n".join(lines))

    def judge(self, ratio: Ratio) -> None:
        """Print and keep a ratio."""
        self.ratios.append(ratio)
        say(ratio.line())

    def write(self, path: Path) -> None:
        """All of it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")


def machine() -> str:
    """The machine in a line: its cores, its processor, its system."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.machine()
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {model}, {system}"


def say(words: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
