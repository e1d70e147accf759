"""Building the pages that the browser loads, and only when something in them changed.

The result lies in `.web/build`, beside a digest of everything that went into it.
`python -m app.ui.build` does it by hand.
"""

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.settings import ROOT, Settings, get_settings
from app.integrations.oauth import list_offers

STAMP = Path(".web/build/inputs.sha256")
"""Inside what Reflex deletes before it builds: a build that was cut short has none."""

PAGES = Path(".web/build/client")
"""Where the pages themselves lie, as they are served."""

INPUTS = ("app/ui", "app/app.py", "rxconfig.py", "assets", "reflex.lock", "requirements.txt")
"""Files and folders whose content goes into the pages. So do the modules of `app` that
`app/ui` imports by name, the plans, PUBLIC_URL, and the names of the providers.
"""

_MADE = {"__pycache__", "external"}  # by Python; by Reflex, under assets/
_TAIL_LINES = 25

Say = Callable[[str], object]


class FrontendBuildError(RuntimeError):
    """The pages could not be built; the message holds the log's end and what to do."""


def is_built() -> bool:
    """Whether the pages in `.web/build` were made from exactly what is here now."""
    stamp = ROOT / STAMP
    return stamp.is_file() and stamp.read_text() == inputs_digest(ROOT, get_settings())


def has_pages() -> bool:
    """Whether there are whole pages in `.web/build`, current or not."""
    return (ROOT / STAMP).is_file()


def build_frontend(*, force: bool = False, relock: bool = False, say: Say | None = None) -> bool:
    """Build the pages if they are not current; whether it built. About 20 to 60 seconds.

    `force` builds anyway. `relock` also resolves the JavaScript packages anew and writes
    `reflex.lock/`. Two programs that start at once build once: the second waits.
    Raises FrontendBuildError.
    """
    say = say or _say_to_stderr
    with _one_at_a_time():
        if not (force or relock) and is_built():
            return False
        say("Building the pages (about a minute the first time)…")
        started = time.monotonic()
        digest = None if relock else inputs_digest(ROOT, get_settings())
        stamp = ROOT / STAMP
        stamp.unlink(missing_ok=True)
        _export(relock=relock)
        stamp.write_text(digest or inputs_digest(ROOT, get_settings()))
        say(f"Built the pages in {time.monotonic() - started:.0f} s.")
        return True


def serve_built_pages() -> None:
    """Have Reflex, in this process and those it starts, serve `.web/build` as it is.

    To be called before `app.app` is imported; the working directory must be the project's.
    """
    from reflex.constants import Env  # noqa: PLC0415  # looking at the stamp needs no Reflex
    from reflex.environment import environment  # noqa: PLC0415

    environment.REFLEX_ENV_MODE.set(Env.PROD)
    environment.REFLEX_SKIP_COMPILE.set(True)
    environment.REFLEX_MOUNT_FRONTEND_COMPILED_APP.set(True)
    environment.REFLEX_CHECK_LATEST_VERSION.set(False)


def inputs_digest(root: Path, settings: Settings) -> str:
    """SHA-256 over the names and contents of everything that goes into the pages.

    PUBLIC_URL is in their snippets and canonical addresses, providers in their buttons.
    """
    digest = hashlib.sha256(settings.public_url.encode())
    for offer in list_offers(settings):
        digest.update(f"{offer.name}\0{offer.label}\n".encode())
    for path in _input_files(root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root)}\0{content}\n".encode())
    if settings.plans_file.is_file():
        digest.update(settings.plans_file.read_bytes())
    return digest.hexdigest()


def _input_files(root: Path) -> list[Path]:
    files = {file for name in INPUTS for file in _files(root / name)}
    for module in (root / "app/ui").rglob("*.py"):
        files.update(_imported_files(root, ast.parse(module.read_bytes())))
    return sorted(files)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = [file for file in path.rglob("*") if file.is_file()]
    return [file for file in found if not _MADE.intersection(file.relative_to(path).parts)]


def _imported_files(root: Path, module: ast.Module) -> Iterator[Path]:
    """Where the modules of `app` that this one imports lie: texts come from them too."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app."):
            path = root / str(node.module).replace(".", "/")
            candidates = [path, *(path / alias.name for alias in node.names)]
            yield from (file for it in candidates if (file := it.with_suffix(".py")).is_file())


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold the other programs of this checkout back while one looks or builds."""
    with (ROOT / "rxconfig.py").open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _export(*, relock: bool) -> None:
    command = [sys.executable, "-m", "app.ui.export", *(["--relock"] if relock else [])]
    log = get_settings().var_dir / "frontend-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        result = subprocess.run(  # noqa: S603 (every word is ours)
            ["env", *_environment(relock=relock), *command],  # noqa: S607 (coreutils')
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode or not (ROOT / STAMP).parent.is_dir():
        raise FrontendBuildError(_failure(log))


def _environment(*, relock: bool) -> Iterator[str]:
    """What Reflex and npm must be told."""
    yield f"REFLEX_DIR={get_settings().var_dir / 'reflex'}"
    yield "REFLEX_USE_NPM=1"
    yield "REFLEX_TELEMETRY_ENABLED=false"
    yield "REFLEX_CHECK_LATEST_VERSION=false"
    if relock:
        yield "npm_config_omit_lockfile_registry_resolved=true"
    yield from npm_environment()


def npm_environment() -> Iterator[str]:
    """What npm must be told, each as NAME=value: our Node first, no nags, the user's registry."""
    binaries = Path(sys.executable).parent
    yield f"PATH={os.pathsep.join([str(binaries), *os.get_exec_path()])}"
    yield "NO_UPDATE_NOTIFIER=1"
    machine_wide = _npm_config(shutil.which("npm"), "globalconfig")
    if machine_wide:
        yield f"npm_config_globalconfig={machine_wide}"
    registry = _npm_config(str(binaries / "npm"), "registry")
    if registry:
        yield f"NPM_CONFIG_REGISTRY={registry}"


def _npm_config(npm: str | None, name: str) -> str:
    """One value of the user's npm configuration; empty when it cannot be had."""
    if npm is None:
        return ""
    command = [npm, "config", "get", name]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout.strip().removesuffix("undefined")


def _failure(log: Path) -> str:
    tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(
        [
            "The pages could not be built. The end of the log:",
            *(f"  {line}" for line in tail),
            f"The whole log is in {log}.",
            "If packages could not be fetched, check the network and `npm config get registry`.",
            "Once that is mended, run the same command again.",
        ]
    )


def _say_to_stderr(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def main() -> None:
    """Build from the command line: `--force` in any case, `--relock` to renew the lock."""
    flags = set(sys.argv[1:])
    if unknown := flags - {"--force", "--relock"}:
        sys.exit(f"Unknown: {' '.join(sorted(unknown))}. There are --force and --relock.")
    try:
        built = build_frontend(force="--force" in flags, relock="--relock" in flags)
    except FrontendBuildError as error:
        sys.exit(str(error))
    if not built:
        _say_to_stderr("The pages are current.")


if __name__ == "__main__":
    main()
