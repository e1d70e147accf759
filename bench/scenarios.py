"""The comparisons that the benchmarks make; each takes a stage and tells the report."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.core import database
from app.usage.series import usage_by_day
from bench.apps import PATH
from bench.contest import Contestant, Results, compete
from bench.dataset import add_keys, fill_log, new_database, plans_without_limits, write_keys
from bench.load import run_load
from bench.report import Ratio, Report
from bench.servers import Server, latchkey, plain

KEYS = 1_000
MANY_KEYS = 100_000
FEW_ROWS = 100_000
QUERIES = 21


@dataclass(frozen=True)
class Stage:
    """Where and how long to measure."""

    server: str
    folder: Path
    rounds: int
    seconds: int
    rows: int

    def settings(self, url: str, **more: str) -> dict[str, str]:
        """The settings of a Latchkey on this database, without limits, before the raw endpoint."""
        return {
            "DATABASE_URL": url,
            "PLANS_FILE": str(plans_without_limits(self.folder)),
            "VAR_DIR": str(self.folder / "var"),
            "API_APP": "bench.apps:hello",
            **more,
        }

    def compete(self, contestants: list[Contestant], keys: Path, *connections: int) -> Results:
        """As `contest.compete`, with the rounds and seconds of this run."""
        return compete(
            contestants, keys, connections=connections, rounds=self.rounds, seconds=self.seconds
        )


def speed(stage: Stage, report: Report) -> None:
    """Ours beside the floors and a naive version, 1,000 keys."""
    with (
        new_database(stage.server, "bench_ours") as url,
        new_database(stage.server, "bench_naive") as naive_url,
    ):
        keys = write_keys(stage.folder, add_keys(url, KEYS))
        _copy_keys(url, naive_url)
        with psycopg.connect(naive_url) as connection:  # or ours would count its calls too
            connection.execute('DROP TRIGGER latchkey_count ON "ApiCall"')
        ours = stage.settings(url)
        framework = stage.settings(url, API_APP="bench.apps:fastapi_app")
        results = stage.compete(
            [
                Contestant("raw ASGI hello", plain("make_asgi", workers=2), {}),
                Contestant("empty Starlette", plain("make_starlette", workers=2), {}),
                Contestant("empty FastAPI", plain("make_fastapi", workers=2), {}),
                Contestant("naive FastAPI+SQLModel", plain("make_naive", workers=2),
                           {"BENCH_DATABASE_URL": naive_url}),
                Contestant("ours, 1 process", latchkey("api", workers=1), ours),
                Contestant("ours, 2 processes", latchkey("api", workers=2), ours),
                Contestant("FastAPI metered", latchkey("api", workers=2), framework),
            ],
            keys, 32, 128,
        )  # fmt: skip
        report.take("Speed, 1,000 keys, all of 2 processes but where it says 1", results)
    for connections, bound in ((32, 1.3), (128, 1.6)):
        _judge_speed(report, results, connections, bound)


def _judge_speed(report: Report, results: Results, connections: int, bound: float) -> None:
    at = f"{connections} connections"
    floor = results["empty FastAPI", connections]
    both = [(name, results[name, connections]) for name in ("ours, 1 process", "ours, 2 processes")]
    name, best = max(both, key=lambda one: one[1].rate)
    report.judge(Ratio(f"{name} ÷ empty FastAPI, {at}", best.rate / floor.rate, bound))
    metered = results["FastAPI metered", connections].rate
    report.judge(Ratio(f"a FastAPI app metered ÷ bare, {at}", metered / floor.rate, 0.75))
    naive = results["naive FastAPI+SQLModel", connections].rate
    report.judge(Ratio(f"{name} ÷ naive, {at}", best.rate / naive, 8))
    if connections == 32:
        ratio = best.p99_ms / floor.p99_ms
        what = f"p99 of {name} ÷ empty FastAPI's, {at}"
        report.judge(Ratio(what, ratio, 1.2, at_least=False))


def portal(stage: Stage, report: Report) -> None:
    """`serve`, with portal and jobs in the process, beside `api`."""
    with new_database(stage.server, "bench_ours") as url:
        keys = write_keys(stage.folder, add_keys(url, KEYS))
        settings = stage.settings(url)
        results = stage.compete(
            [
                Contestant("api", latchkey("api", workers=1), settings),
                Contestant("serve", latchkey("serve", workers=1), settings),
            ],
            keys, 32,
        )  # fmt: skip
    report.take("Portal, API and jobs in one process", results)
    report.judge(Ratio("serve ÷ api", results["serve", 32].rate / results["api", 32].rate, 0.8))


def proxy(stage: Stage, report: Report) -> None:
    """The proxy to an upstream, with and without the meter before it."""
    with new_database(stage.server, "bench_ours") as url:
        keys = write_keys(stage.folder, add_keys(url, KEYS))
        upstream = Server("upstream", plain("make_asgi", workers=1), {}, stage.folder)
        try:
            upstream.until_it_answers(PATH, keys.read_text().split()[0])
            where = f"http://127.0.0.1:{upstream.port}"
            settings = stage.settings(url, API_UPSTREAM=where)
            del settings["API_APP"]
            results = stage.compete(
                [
                    Contestant("proxy alone", plain("make_proxy", workers=1),
                               {"BENCH_UPSTREAM": where}),
                    Contestant("proxy metered", latchkey("api", workers=1), settings),
                ],
                keys, 32,
            )  # fmt: skip
        finally:
            upstream.stop()
    report.take("Proxy, one process each", results)
    ratio = results["proxy metered", 32].rate / results["proxy alone", 32].rate
    report.judge(Ratio("proxy metered ÷ the same without", ratio, 0.7))


def long_log(stage: Stage, report: Report) -> None:
    """Calls a second, and reading 30 days of a key, with a long log beside a short one."""
    with (
        new_database(stage.server, "bench_short") as short,
        new_database(stage.server, "bench_long") as long,
    ):
        keys = write_keys(stage.folder, add_keys(short, KEYS))
        _copy_keys(short, long)
        fill_log(long, stage.rows)
        results = stage.compete(
            [
                Contestant("no rows", latchkey("api", workers=1), stage.settings(short)),
                Contestant(
                    f"{stage.rows:,} rows", latchkey("api", workers=1), stage.settings(long)
                ),
            ],
            keys, 32,
        )  # fmt: skip
        report.take("A long log", results)
        ratio = results[f"{stage.rows:,} rows", 32].rate / results["no rows", 32].rate
        report.judge(Ratio(f"calls/s with {stage.rows:,} rows ÷ with none", ratio, 0.9))
        with new_database(stage.server, "bench_some") as some:
            _copy_keys(short, some)
            fill_log(some, FEW_ROWS)
            times = {url: _reading_ms(url) for url in (some, long)}
    for number, name in ((0, "the busiest key"), (1, "an ordinary key")):
        report.judge(
            Ratio(
                f"30 days by day of {name}: {times[long][number]:.2f} ms at {stage.rows:,} rows ÷ "
                f"{times[some][number]:.2f} ms at {FEW_ROWS:,}",
                times[long][number] / times[some][number],
                1.5,
                at_least=False,
            )
        )


def memory(stage: Stage, report: Report) -> None:
    """What 100,000 different keys cost in memory."""
    with new_database(stage.server, "bench_ours") as url:
        secrets = add_keys(url, MANY_KEYS)
        idle = write_keys(stage.folder, secrets[:1])
        server = Server("memory", latchkey("api", workers=1), stage.settings(url), stage.folder)
        try:
            server.until_it_answers(PATH, secrets[0])
            run_load(server.port, PATH, idle, connections=32, seconds=2)
            before = server.memory_mb()
            keys = write_keys(stage.folder, secrets)
            seen = 0
            while seen < MANY_KEYS:
                seen += run_load(server.port, PATH, keys, connections=32, seconds=30).calls
            after = server.memory_mb()
        finally:
            server.stop()
    what = f"memory over idle with {MANY_KEYS:,} keys seen, by {seen:,} calls"
    report.judge(Ratio(what, after - before, 150, at_least=False, unit=" MiB"))


SCENARIOS: dict[str, Callable[[Stage, Report], None]] = {
    "speed": speed,
    "portal": portal,
    "proxy": proxy,
    "log": long_log,
    "memory": memory,
}


def _copy_keys(from_url: str, to_url: str) -> None:
    """The same customers and keys in another database."""
    for table in ("User", "ApiKeyMetadata"):
        with psycopg.connect(from_url) as source, psycopg.connect(to_url) as target:
            with source.cursor().copy(f'COPY "{table}" TO STDOUT') as out:
                data = b"".join(out)
            with target.cursor().copy(f'COPY "{table}" FROM STDIN') as into:
                into.write(data)
            target.execute(f'ANALYZE "{table}"')


def _reading_ms(url: str) -> tuple[float, float]:
    """Milliseconds to read 30 days of the busiest key, and of another; medians."""
    with psycopg.connect(url) as connection:
        ids = connection.execute('SELECT id FROM "ApiKeyMetadata" ORDER BY id LIMIT 2').fetchall()
    database.point_at(url)

    async def read() -> tuple[float, float]:
        busy, ordinary = [await _median_ms(key_id) for [key_id] in ids]
        await database.dispose()
        return busy, ordinary

    try:
        return asyncio.run(read())
    finally:
        database.point_at(None)


async def _median_ms(key_id: str) -> float:
    times = []
    for _ in range(QUERIES):
        began = time.perf_counter()
        async with database.unit_of_work() as session:
            await usage_by_day(session, key_id, days=30)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)
