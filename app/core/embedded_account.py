"""Which system user runs the embedded PostgreSQL. PostgreSQL refuses to run as root.

For root it is the owner of the data, at first a system user made for it. That user must
reach the programs and the data: directories on the way that others cannot enter get the
`x` bit (enter, not list), and the programs become readable.
"""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

SYSTEM_USER = "latchkey-postgres"
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_OTHERS_ENTER = stat.S_IXGRP | stat.S_IXOTH


class NoAccount(Exception):
    """There is no user to run it as; the message says what to do."""


def account_for(data: Path) -> pwd.struct_passwd | None:
    """The user to run the server as; None means: the one who asks."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() == 0:
        return pwd.getpwuid(owner) if owner else _system_user()
    if owner is not None and owner != os.geteuid():
        raise NoAccount(
            f"{data} belongs to another user, who ran Latchkey here before. Run it as that "
            "user or as root, or set VAR_DIR to another directory."
        )
    return None


def as_account(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments for `subprocess.run` that make it run as that user."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def make_directory(path: Path, account: pwd.struct_passwd | None) -> None:
    """A new directory that belongs to that user alone."""
    path.mkdir(mode=0o700)
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def open_way(programs: Path, home: Path) -> None:
    """Let a user other than root run the programs and enter `home`."""
    for path in (programs, *programs.rglob("*")):
        enter = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        _allow(path, _OTHERS_READ | (_OTHERS_ENTER if enter else 0))
    for path in (*programs.parents, home, *home.parents):
        _allow(path, stat.S_IXOTH)


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd is None:
            raise NoAccount(
                "PostgreSQL does not run as root and there is no `useradd` to make a user for "
                "it. Run Latchkey as an ordinary user, or set DATABASE_URL."
            ) from None
        options = ["--system", "--user-group", "--home-dir=/nonexistent", "--no-create-home"]
        # It fails when another process has just made the user: then there is one to be found.
        subprocess.run(  # noqa: S603 # our own words only
            [useradd, *options, "--shell=/usr/sbin/nologin", SYSTEM_USER],
            check=False,
            capture_output=True,
        )
        return pwd.getpwnam(SYSTEM_USER)
