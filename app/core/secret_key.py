"""SECRET_KEY: what is encrypted, and by which keys, each purpose having its own.

The first of its comma-separated keys encrypts, all of them decrypt. Where none is set, one is
made, once, under VAR_DIR. Whatever shares a database must share the keys.
"""

import base64
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.errors import LatchkeyError
from app.core.settings import SHORTEST_SECRET_KEY, Settings

FILE_NAME = "secret_key"
"""Where the key lies under VAR_DIR that was made because none was set."""

_PURPOSE_PREFIX = b"latchkey:"
_FERNET_BYTES = 32


class SecretKeyUnusable(LatchkeyError):
    """The key under VAR_DIR can be neither read nor made; the detail says what to do."""

    status = 503
    code = "secret_key_unusable"
    title = "The secret key cannot be used"


def make_cipher(settings: Settings, purpose: str) -> MultiFernet:
    """What encrypts for this purpose, and for no other. Raises SecretKeyUnusable.

    Blocks on the disk where no SECRET_KEY is set.
    """
    return MultiFernet([Fernet(_derived(key, purpose)) for key in secret_keys(settings)])


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The keys of SECRET_KEY, or the one that is made where none is set. Raises SecretKeyUnusable.

    Blocks on the disk where no SECRET_KEY is set.
    """
    return settings.secret_keys or (_made_key(settings.var_dir / FILE_NAME),)


def _derived(key: str, purpose: str) -> bytes:
    """HKDF (RFC 5869), without salt as the keys are long and random; as Fernet takes it."""
    derivation = HKDF(
        algorithm=SHA256(),
        length=_FERNET_BYTES,
        salt=None,
        info=_PURPOSE_PREFIX + purpose.encode(),
    )
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))


def _made_key(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyUnusable(
            f"{path} cannot be used ({getattr(error, 'strerror', None) or 'not text'}). Set "
            "SECRET_KEY, or VAR_DIR to a directory that can be written."
        ) from error
    if len(key) < SHORTEST_SECRET_KEY:
        raise SecretKeyUnusable(
            f"{path} holds no key of {SHORTEST_SECRET_KEY} characters or more. Put back what it "
            "held, or delete it: another is made then, and what the old one encrypted is lost."
        )
    return key


def _make(path: Path) -> None:
    """Make the file whole, or leave the one that another process has just made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(file, "w") as writing:
            writing.write(f"{secrets.token_hex(32)}\n")
            writing.flush()
            os.fsync(writing.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
