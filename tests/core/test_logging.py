"""Whatever is logged, and however, no key and no token is in the output."""

import io
import json
import logging
from contextlib import redirect_stderr

import pytest

from app.core.crypto import new_token, sha256_hex
from app.core.ids import new_call_id, new_id
from app.core.logging import configure_logging
from app.keys.format import key_start, new_key

KEY = new_key("live")
TOKEN = next(token for token in iter(new_token, "") if not token.isalpha())
LINK = f"http://localhost:8000/auth/email/confirm?token={TOKEN}&x=1"


class Output(io.StringIO):
    """What standard error got."""

    is_terminal = False

    def isatty(self):
        return self.is_terminal

    def logger(self, name="some.library", level="info"):
        """A logger after `configure_logging`, called in the test: pytest swaps standard error."""
        with redirect_stderr(self):
            configure_logging(level)
        return logging.getLogger(name)


@pytest.fixture(params=["file", "terminal"])
def output(request):
    root = logging.getLogger()
    level = root.level
    written = Output()
    written.is_terminal = request.param == "terminal"
    yield written
    root.setLevel(level)
    root.handlers = [one for one in root.handlers if one.stream is not written]


def fail_with(text):
    try:
        int(text)
    except ValueError as error:
        raise RuntimeError(f"because of {text}") from error


class Thing:
    def __repr__(self):
        return f"Thing({KEY})"


def log_message(logger):
    logger.warning(f"seen {KEY} and {TOKEN} at {LINK}")


def log_args(logger):
    logger.warning("seen %s, %r, %s", KEY, LINK, [TOKEN])


def log_mapping(logger):
    logger.warning("seen %(key)s", {"key": {"inner": [KEY, TOKEN]}})


def log_object(logger):
    logger.warning("seen %r", Thing())


def log_exception(logger):
    try:
        fail_with(f"{KEY} {LINK}")
    except RuntimeError:
        logger.exception("seen")


def log_extra(logger):
    logger.warning("seen", extra={"key": KEY, "inner": {"token": TOKEN}, "link": LINK})


def log_stack(logger):
    logger.warning("seen %s", KEY, stack_info=True)


def log_badly(logger):
    logger.warning("seen %d", KEY)


def log_header(logger):
    logger.warning("seen Authorization: Bearer %s; Cookie: latchkey_session=%s", KEY, TOKEN)


WAYS = [value for name, value in list(globals().items()) if name.startswith("log_")]


@pytest.mark.parametrize("way", WAYS)
def test_no_key_and_no_token_reaches_the_output(output, way):
    way(output.logger())
    written = output.getvalue()
    assert written.strip()
    assert KEY not in written
    assert KEY[len(key_start(KEY)) :] not in written
    assert TOKEN not in written


def test_start_of_a_key_stays_to_find_it_by(output):
    logger = output.logger()
    for kind in ("live", "trial", "root"):
        key = new_key(kind)
        logger.warning("refused %s here", key)
        assert f"refused {key_start(key)}… here" in output.getvalue()


def test_rest_of_a_link_stays(output):
    output.logger().warning("opened %s", LINK)
    assert "confirm?token=…&x=1" in output.getvalue()


def test_what_is_no_secret_stays(output):
    harmless = [new_call_id(), sha256_hex("x"), "a" * 43, "app/core/logging.py",
                "test_of_a_long_function_name_of_43_letters_", new_id()]  # fmt: skip
    output.logger().warning(" ".join(harmless))
    for word in harmless:
        assert word in output.getvalue()


def test_elsewhere_than_on_a_terminal_each_record_is_one_json_line(output):
    output.is_terminal = False
    output.logger("a.b").warning("grüße %s", "Ada")
    try:
        fail_with("x")
    except RuntimeError:
        logging.getLogger("a.b").exception("failed")
    first, second = (json.loads(line) for line in output.getvalue().splitlines())
    assert (first["event"], first["logger"], first["level"]) == ("grüße Ada", "a.b", "warning")
    assert first["timestamp"].endswith("Z")
    assert "RuntimeError: because of x" in second["exception"]


def test_less_than_the_level_is_not_written(output):
    output.logger().debug("little")
    for chatty in ("procrastinate.worker", "stripe"):  # the latter writes each address it asks
        output.logger(chatty).info("chatter")
    assert output.getvalue() == ""
    output.logger(level="debug").debug("little")
    assert "little" in output.getvalue()


def test_record_that_cannot_be_written_is_told_by_its_place(output):
    log_badly(output.logger())
    assert "test_logging.py:" in output.getvalue()
    assert "could not be written" in output.getvalue()


def test_closed_standard_error_breaks_nothing(output):
    logger = output.logger()
    output.close()
    logger.warning("unheard")
