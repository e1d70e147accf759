"""Finds a Chromium for the browser tests, or installs one, and prints where it is.

In this order: $CHROMIUM; one on PATH; Debian's package, when root can install it;
Playwright's own download. Never does without: when none is to be had, it says so and
fails. Run by the environment's Python.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    """Print the path of a browser that starts; every other word goes to stderr."""
    for find in (chosen, on_path, from_debian, from_playwright):
        path = find()
        if path and starts(path):
            sys.stdout.write(f"{path}\n")
            return
    sys.exit(
        "There is no Chromium for the browser tests. Install one (Debian: apt-get install "
        "chromium), or name one: make test CHROMIUM=/path/to/chromium"
    )


def chosen() -> str | None:
    """The one that the user named; then that one or none."""
    name = os.environ.get("CHROMIUM")
    path = shutil.which(name) if name else None
    if name and not (path and starts(path)):
        sys.exit(f"CHROMIUM is {name}, which does not start.")
    return path


def on_path() -> str | None:
    """The first of the usual names that is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def from_debian() -> str | None:
    """Debian's package, where packages may be installed."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    say("Installing Debian's chromium for the browser tests…")
    succeeds(["apt-get", "update"])
    succeeds(["apt-get", "install", "-y", "--no-install-recommends", "chromium"])
    return on_path()


def from_playwright() -> str | None:
    """Playwright's own build, in its cache under the home folder."""
    say("Fetching Playwright's Chromium for the browser tests…")
    if not succeeds([sys.executable, "-m", "playwright", "install", "chromium"]):
        return None
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (rarely needed, slow)

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def starts(path: str) -> bool:
    """Whether it runs at all: a downloaded one may lack libraries."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def succeeds(command: list[str]) -> bool:
    """Run it without questions; pass on what it said only when it failed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        say(f"{done.stdout}This failed: {' '.join(command)}")
    return done.returncode == 0


def say(words: str) -> None:
    """Words for the person who waits."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
