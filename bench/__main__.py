"""`python -m bench`: runs the benchmarks and says how ours compare."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg

from app.core import embedded
from app.core.settings import ROOT
from app.ui.build import build_frontend
from bench.load import NoLoadGenerator, find_wrk
from bench.report import Report, machine, say
from bench.scenarios import SCENARIOS, Stage

LATEST = ROOT / "var" / "bench" / "latest.json"


def main() -> int:
    """Run the scenarios that were asked for; 1 when a bound is not kept."""
    wanted = _arguments()
    try:
        say(f"Load: {find_wrk()}, one thread")
    except NoLoadGenerator as error:
        sys.exit(str(error))
    if "portal" in wanted.scenarios:
        build_frontend(say=say)
    home = ROOT / "var" / "bench" / "postgres"
    server = wanted.server or _embedded(home)
    folder = Path(tempfile.mkdtemp(prefix="latchkey-bench-"))
    report = Report(machine(), _describe(server))
    say(f"Machine: {report.machine}\nDatabase: {report.database}")
    stage = Stage(server, folder, wanted.rounds, wanted.seconds, wanted.rows)
    try:
        for name in wanted.scenarios:
            SCENARIOS[name](stage, report)
    finally:
        shutil.rmtree(folder)
        if not wanted.server:
            embedded.stop(home)
        report.write(LATEST)
    missed = [ratio for ratio in report.ratios if not ratio.is_kept]
    say(f"\n{len(report.ratios) - len(missed)} of {len(report.ratios)} bounds kept. {LATEST}")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(SCENARIOS)}; else all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the long log")
    parser.add_argument("--server", help="PostgreSQL to use, postgresql://superuser@…/postgres")
    wanted = parser.parse_args()
    if unknown := set(wanted.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    wanted.scenarios = wanted.scenarios or list(SCENARIOS)
    return wanted


def _embedded(home: Path) -> str:
    embedded.start(home)
    return embedded.url(home, "postgres")


def _describe(url: str) -> str:
    with psycopg.connect(url) as connection:
        query = "SELECT split_part(version(), ' on ', 1), current_setting('fsync'), "
        query += "current_setting('synchronous_commit')"
        row = connection.execute(query).fetchone() or ("", "", "")
    return f"{row[0]}, fsync {row[1]}, synchronous_commit {row[2]}"


if __name__ == "__main__":
    sys.exit(main())
