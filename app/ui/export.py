"""Compiles and bundles the pages, in a process of its own: `python -m app.ui.export`.

What `reflex export` does, less what is not ours to have done: nothing is written outside
`.web/`, nobody is asked for newer versions, and the JavaScript packages are exactly
those of `reflex.lock/`. `app.ui.build` calls it with the environment that it needs.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from reflex import constants
from reflex.config import Config
from reflex.environment import environment
from reflex.utils import export, frontend_skeleton, js_runtimes, path_ops, prerequisites

_LOCK_FILES = ("package.json", "package-lock.json")


def main() -> None:
    """Build what `app.ui.build` asked for; `--relock` also rewrites `reflex.lock/`."""
    environment.REFLEX_ENV_MODE.set(constants.Env.PROD)
    environment.REFLEX_COMPILE_CONTEXT.set(constants.CompileContext.EXPORT)
    environment.REFLEX_DIR.get().mkdir(parents=True, exist_ok=True)
    if "--relock" not in sys.argv:
        _freeze_packages()
    if prerequisites.needs_reinit():
        prerequisites.initialize_frontend_dependencies()  # type: ignore[no-untyped-call]  # Reflex's
    export.export(zipping=False, backend=False)


def _freeze_packages() -> None:
    """Have Reflex install from the lock as it is, and never write it."""
    js_runtimes.install_frontend_packages = install_locked
    frontend_skeleton.sync_web_lockfiles_to_root = lambda: None


def install_locked(packages: Iterable[str], config: Config) -> None:
    """Install `reflex.lock/` into `.web/`, if it is not there already.

    Raises SystemExit when the pages need a package, or a version, that it does not have.
    """
    lock = Path(constants.Bun.ROOT_LOCKFILE_DIR)
    missing = missing_packages(_wanted(packages, config), lock / "package-lock.json")
    if missing:
        sys.exit(
            f"reflex.lock/ does not have {', '.join(missing)}. "
            "Run `make lock` and commit what it changes in reflex.lock/."
        )
    frontend_skeleton.sync_root_lockfiles_to_web()
    _npm_ci(hashlib.sha256(b"".join((lock / name).read_bytes() for name in _LOCK_FILES)))


def _npm_ci(fingerprint: "hashlib._Hash") -> None:
    """Install, unless the last whole installation was of these very files."""
    web = prerequisites.get_web_dir()
    stamp = web / "node_modules" / ".latchkey"
    if stamp.exists() and stamp.read_text() == fingerprint.hexdigest():
        return
    npm = path_ops.get_npm_path()
    if npm is None:
        sys.exit("npm is missing from .venv/bin. Run `make setup`.")
    options = [
        "--legacy-peer-deps",
        "--no-audit",
        "--no-fund",
        "--fetch-retries=2",
        "--fetch-retry-mintimeout=1000",
    ]
    done = subprocess.run([str(npm), "ci", *options], cwd=web, check=False)  # noqa: S603 (ours)
    if done.returncode:
        sys.exit("npm could not install the packages of reflex.lock/; its own words are above.")
    stamp.write_text(fingerprint.hexdigest())


def _wanted(packages: Iterable[str], config: Config) -> set[str]:
    """All that Reflex would install, as `name` or `name@version`."""
    framework = constants.PackageJson.DEPENDENCIES | constants.PackageJson.DEV_DEPENDENCIES
    wanted = {f"{name}@{version}" for name, version in framework.items()} | set(packages)
    for plugin in config.plugins:
        wanted.update(plugin.get_frontend_dependencies())
        wanted.update(plugin.get_frontend_development_dependencies())
    return wanted


def missing_packages(wanted: Iterable[str], lock_file: Path) -> list[str]:
    """Which of the wanted (`name` or `name@version`) the npm lock does not give exactly."""
    installed = json.loads(lock_file.read_text())["packages"] if lock_file.exists() else {}
    missing = []
    for spec in sorted(wanted):
        name, _, version = spec[1:].partition("@")
        found = installed.get(f"node_modules/{spec[0]}{name}", {}).get("version")
        if found is None or version.removeprefix("v") not in ("", found):
            missing.append(spec)
    return missing


if __name__ == "__main__":
    main()
