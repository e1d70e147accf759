"""Contestants measured in turn, several times over, so that what disturbs one disturbs all."""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.apps import PATH
from bench.load import Measured, run_load
from bench.servers import Server

WARM_SECONDS = 1


@dataclass(frozen=True)
class Contestant:
    """A command to serve with, and its settings."""

    name: str
    command: list[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Figures:
    """What the rounds of one contestant at one number of connections came to."""

    rounds: list[Measured]

    @property
    def rate(self) -> float:
        """Calls a second, the median of the rounds."""
        return statistics.median(one.calls_per_second for one in self.rounds)

    @property
    def rates(self) -> tuple[float, float]:
        """The slowest and the fastest round."""
        rates = [one.calls_per_second for one in self.rounds]
        return min(rates), max(rates)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the latency, the median of the rounds."""
        return statistics.median(one.p99_ms for one in self.rounds)

    @property
    def failed(self) -> int:
        """Answers that were no success, and connections that broke."""
        return sum(one.refused + one.broken for one in self.rounds)


Results = dict[tuple[str, int], Figures]


def compete(
    contestants: Sequence[Contestant],
    keys: Path,
    *,
    connections: Sequence[int],
    rounds: int,
    seconds: int,
) -> Results:
    """Start all, then measure each in each round; idle ones cost the others nothing to speak of."""
    key = keys.read_text().split()[0]
    found: dict[tuple[str, int], list[Measured]] = {}
    with ExitStack() as stack:
        servers = []
        for one in contestants:
            server = Server(one.name, one.command, one.environment, keys.parent)
            stack.callback(server.stop)
            servers.append(server)
        for server in servers:
            server.until_it_answers(PATH, key)
        for _ in range(rounds):
            for server in servers:
                run_load(server.port, PATH, keys, connections=32, seconds=WARM_SECONDS)
                for count in connections:
                    one = run_load(server.port, PATH, keys, connections=count, seconds=seconds)
                    found.setdefault((server.name, count), []).append(one)
    return {place: Figures(measured) for place, measured in found.items()}
