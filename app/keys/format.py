"""The key format of the contract: prefix, 32 random characters, 6 characters of CRC-32."""

import re
import secrets
import string
import zlib
from typing import Literal

KeyKind = Literal["live", "trial", "root"]

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_PATTERN = re.compile(r"\blk_(live|trial|root)_[0-9A-Za-z]{38}\b", re.ASCII)
_RANDOM_LENGTH = 32
_CHECKSUM_LENGTH = 6
_SHOWN_LENGTH = 4


def new_key(kind: KeyKind) -> str:
    """A new secret key. Whoever calls this shows it once and keeps only its digest."""
    body = f"lk_{kind}_" + "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 of the ASCII text before it, base62 (digits `0-9A-Za-z`), padded to 6 with `0`."""
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits.rjust(_CHECKSUM_LENGTH, "0")


def is_well_formed(key: str) -> bool:
    """Whether the text has a key's shape and the right checksum; asks no database."""
    if KEY_PATTERN.fullmatch(key) is None:
        return False
    return checksum(key[:-_CHECKSUM_LENGTH]) == key[-_CHECKSUM_LENGTH:]


def key_start(key: str) -> str:
    """What may be shown of a key for ever: its prefix and first 4 random characters."""
    prefix_length = key.index("_", len("lk_")) + 1
    return key[: prefix_length + _SHOWN_LENGTH]
