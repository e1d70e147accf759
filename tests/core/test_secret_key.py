"""SECRET_KEY: made once, kept to oneself, rotated without loss, and another for each purpose."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken, MultiFernet

from app.core.secret_key import FILE_NAME, SecretKeyUnusable, make_cipher
from app.core.settings import ROOT, Settings

OLD, NEW = "o" * 32, "n" * 32


def cipher(purpose: str = "test", **values: object) -> MultiFernet:
    return make_cipher(Settings(**values), purpose)


def test_rotated_key_still_decrypts_and_no_longer_encrypts() -> None:
    before = cipher(secret_key=OLD).encrypt(b"kept")
    rotated = cipher(secret_key=f"{NEW}, {OLD}")
    assert rotated.decrypt(before) == b"kept"
    assert cipher(secret_key=NEW).decrypt(rotated.encrypt(b"new")) == b"new"
    with pytest.raises(InvalidToken):
        cipher(secret_key=NEW).decrypt(before)


def test_each_purpose_has_its_own_key() -> None:
    token = cipher("answers", secret_key=OLD).encrypt(b"kept")
    with pytest.raises(InvalidToken):
        cipher("others", secret_key=OLD).decrypt(token)


def test_derivation_stays_what_it_is() -> None:
    """Or all that was ever encrypted would be lost."""
    kept = (
        b"gAAAAABn_lQAAAAAAAAAAAAAAAAAAAAAABJ9oJDcSuZEX6FiYIb5Aj6C8MrzMvIRvV161zJXCi3ZQF0N"
        b"EQkKmORxFMtZrtsrkQ=="
    )
    assert cipher(secret_key=OLD).decrypt(kept) == b"kept"


def test_key_is_made_once_under_var_for_its_owner_alone(tmp_path: Path) -> None:
    var = tmp_path / "fresh" / "var"
    token = cipher(var_dir=var).encrypt(b"kept")
    made = var / FILE_NAME
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert len(made.read_text().strip()) == 64
    assert cipher(var_dir=var).decrypt(token) == b"kept"
    assert cipher(secret_key=made.read_text().strip()).decrypt(token) == b"kept"
    assert [path.name for path in var.iterdir()] == [FILE_NAME]


def test_nothing_is_made_where_a_key_is_set(tmp_path: Path) -> None:
    cipher(secret_key=OLD, var_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.core.secret_key import make_cipher\n"
        "from app.core.settings import Settings\n"
        "sys.stdin.readline()\n"
        "print(make_cipher(Settings(var_dir=Path(sys.argv[1])), 'test').encrypt(b'x').decode())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "var")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(6)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    tokens = [process.communicate(timeout=60)[0].strip() for process in processes]
    for token in tokens:
        assert cipher(var_dir=tmp_path / "var").decrypt(token) == b"x"
    assert [path.name for path in (tmp_path / "var").iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_spoilt_key_is_named_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content)
    with pytest.raises(SecretKeyUnusable, match=str(path)):
        cipher(var_dir=tmp_path)
    assert path.read_bytes() == content


def test_directory_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(SecretKeyUnusable, match=r"Set SECRET_KEY, or VAR_DIR"):
        cipher(var_dir=tmp_path / "var")
