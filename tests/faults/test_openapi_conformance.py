"""Schemathesis asks a running API all that its OpenAPI document allows, and much that it forbids.

It checks that no answer is a failure of ours, and that each has a status, headers, a content type
and a body as documented; that bad questions and bad keys are refused, and good ones are not.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from app.keys.format import KEY_PATTERN
from tests.faults.limitless import Place, running_place

TIMES = int(os.environ.get("FAULT_COUNT", "3"))
# the same requests in each ordinary run: it fails for a change of the code, and for no other
SEED = [] if "FAULT_COUNT" in os.environ else ["--seed=1"]
EXAMPLES, EXAMPLES_WITHOUT_KEY = 60 * TIMES, 10 * TIMES
MOST_SECONDS = 60 * TIMES
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

# What no JSON schema can say: which lists are loaded, which Idempotency-Key was used before.
POSITIVE = '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "409", "422"]\n'


@pytest.fixture(scope="module")
def place(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_place(postgres, tmp_path_factory.mktemp("conformance"), "asking") as running:
        yield running


async def test_nothing_is_found_with_a_key(
    place: Place, tmp_path: Path, report: Callable[[str], None]
) -> None:
    secret = place.secret("asking")
    either = f'[auth.openapi.key]\nbearer = "{secret}"\n'
    either += f'[auth.openapi.keyHeader]\napi_key = "{secret}"\n'
    either += f'[auth.openapi.rootKey]\nbearer = "{place.root_key}"\n'
    either += f'[auth.openapi.rootKeyHeader]\napi_key = "{place.root_key}"\n'
    tried = await _explore(place.url, tmp_path, either + POSITIVE, EXAMPLES)
    statuses = {status for _, status in place.rows("asking")}
    report(f"schemathesis with a key: {tried} requests, nothing found; statuses {statuses}")
    assert {200, 405, 422} <= statuses  # it was let in, and tried what is wrong


@pytest.mark.parametrize("key", ["", "lk_live_" + 38 * "0"])
async def test_nothing_is_found_without_a_good_key(
    place: Place, tmp_path: Path, key: str, report: Callable[[str], None]
) -> None:
    before = len(place.rows("asking"))
    headers = [f"--header=X-API-Key:{key}"] if key else []
    # that a good question is answered cannot be asked for here
    without = "--exclude-checks=positive_data_acceptance"
    tried = await _explore(place.url, tmp_path, "", EXAMPLES_WITHOUT_KEY, without, *headers)
    report(f"schemathesis with the key {key[:12]!r}: {tried} requests, nothing found")
    assert len(place.rows("asking")) == before


async def test_the_document_is_valid_openapi_3_1(place: Place) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"{place.url}/api/openapi.json")).json()
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    assert document["openapi"].startswith("3.1")
    assert KEY_PATTERN.search(json.dumps(document)) is None


async def _explore(url: str, folder: Path, config: str, examples: int, *options: str) -> int:
    """How many requests were tried; fails with what was found."""
    (folder / "schemathesis.toml").write_text(config)
    command = [
        str(SCHEMATHESIS),
        f"--config-file={folder / 'schemathesis.toml'}",
        "run",
        f"{url}/api/openapi.json",
        f"--url={url}",
        f"--max-examples={examples}",
        "--phases=examples,coverage,fuzzing",
        "--generation-database=none",
        "--no-color",
        *SEED,
        *options,
    ]
    ended = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=MOST_SECONDS
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    counted = re.search(r"([0-9]+) generated, ([0-9]+) passed", ended.stdout)
    assert counted, ended.stdout[-6000:]
    assert int(counted[2]) > examples
    return int(counted[2])
