"""Makes `.venv/` what the requirements say, and does nothing when it already is.

Run by `make` with whatever Python 3 the machine has, so it must say what is missing
rather than fail to parse: standard library only, and nothing newer than Python 3.7.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def main() -> None:
    """Set up what running needs; with --dev also what the tests need."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dev", action="store_true", help="the tests' packages too")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    options = parser.parse_args()
    complain_about_python()
    root = options.root.resolve()
    with (root / "requirements.txt").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Environment(root).bring_up_to_date(dev=options.dev)


def complain_about_python() -> None:
    """Stop with a sentence when this Python cannot make the environment."""
    if sys.version_info < OLDEST:
        sys.exit(
            f"Python 3.11 or newer is needed; {sys.executable} is {VERSION}. Install it "
            "(Debian 12: apt-get install python3 python3-venv), or name another one, as in: "
            "make setup PYTHON=python3.12"
        )
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit(
            "Python's venv module is missing. Install it with: apt-get install python3-venv "
            f"(where there are several Pythons: python{VERSION}-venv)"
        )


class Environment:
    """`.venv/` under a root, with marks of what was installed into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self.unfinished = self.path / "installing"

    def bring_up_to_date(self, *, dev: bool) -> None:
        """Install what is asked for, unless the mark says that it is there."""
        name = "requirements-dev.txt" if dev else "requirements.txt"
        if self.is_installed(name):
            return
        started = time.monotonic()
        say(f"Installing the packages of {name} (about a minute the first time)…")
        if not self.is_usable():
            run([sys.executable, "-m", "venv", "--clear", str(self.path)])
        self.install(name)
        say(f"Installed them in {time.monotonic() - started:.0f} s.")

    def is_usable(self) -> bool:
        """Whether it was made here by this Python and no installation broke off in it."""
        if self.unfinished.exists() or not self.python.exists():
            return False
        # it names the folder that it was made in; moved elsewhere, its programs do not start
        if not self.configuration().endswith(f" {self.path}\n"):
            return False
        code = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run([str(self.python), "-c", code], capture_output=True, check=False)
        return answer.stdout.decode().strip() == VERSION

    def configuration(self) -> str:
        """What venv wrote when it made it; its last line is the command that did."""
        file = self.path / "pyvenv.cfg"
        return file.read_text() if file.exists() else ""

    def install(self, name: str) -> None:
        """Let pip do it, with the user's own pip settings."""
        self.unfinished.touch()
        for mark in self.path.glob("installed-*"):
            mark.unlink()
        pip = [str(self.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        run([*pip, "-r", str(self.root / name)])
        for part in parts_of(name):
            self.mark(part).write_text(self.digest(part))
        self.unfinished.unlink()

    def is_installed(self, name: str) -> bool:
        """Whether exactly these requirements were installed by this Python, here."""
        mark = self.mark(name)
        return (
            not self.unfinished.exists()
            and self.python.exists()
            and mark.exists()
            and mark.read_text() == self.digest(name)
        )

    def mark(self, name: str) -> Path:
        """The file that says with what content `name` was installed."""
        return self.path / f"installed-{name}"

    def digest(self, name: str) -> str:
        """By content, not by date: a checkout that changes nothing installs nothing."""
        content = b"".join((self.root / part).read_bytes() for part in parts_of(name))
        return hashlib.sha256(f"{VERSION} {self.path}\n".encode() + content).hexdigest()


def parts_of(name: str) -> list[str]:
    """The development requirements include the others."""
    return ["requirements.txt"] if name == "requirements.txt" else ["requirements.txt", name]


def run(command: list[str]) -> None:
    """Run it in the foreground and stop when it fails.

    PIP_USER is the one pip setting overruled: it cannot work in an environment.
    """
    if subprocess.call(command, env=dict(os.environ, PIP_USER="0")):
        sys.exit(
            f"This failed: {' '.join(command)}\nIts own words are above. Repeat the command "
            "once that is mended: what was half done is done anew."
        )


def say(words: str) -> None:
    """Words for the person who waits."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
