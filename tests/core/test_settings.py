"""The settings: their defaults, and that a wrong one is named."""

import pytest
from pydantic import ValidationError

from app.core.settings import ROOT, Settings

SECRET = "x" * 64


@pytest.fixture
def read(monkeypatch):
    """The settings that the environment gives, with these names set."""

    def read_settings(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return Settings()

    return read_settings


def test_nothing_needs_to_be_set(read):
    settings = read()
    assert settings.public_url == "http://localhost:8000"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.var_dir == ROOT / "var"
    assert settings.api_app == "app.screening.api:api"
    assert settings.max_body_bytes == 1024 * 1024
    assert settings.trusted_proxy_hops == 0
    assert settings.api_upstream is settings.api_openapi is None
    assert settings.database_url is settings.smtp_url is settings.redis_url is None
    assert settings.is_local
    assert not settings.is_https


def test_empty_setting_is_an_unset_one(read):
    settings = read(PORT="", PUBLIC_URL="", DATABASE_URL="", SMTP_URL="", LOG_LEVEL="")
    assert settings == read()


def test_public_url_follows_the_port(read):
    assert read(PORT="9000").public_url == "http://localhost:9000"
    assert read(PORT="80").public_url == "http://localhost"


@pytest.mark.parametrize(
    ("value", "public_url"),
    [
        ("http://localhost:80", "http://localhost"),
        ("https://API.Example.com:443/", "https://api.example.com"),
        ("HTTPS://api.example.com:8443", "https://api.example.com:8443"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_public_url_is_kept_as_browsers_write_an_origin(read, value, public_url):
    assert read(PUBLIC_URL=value, SECRET_KEY=SECRET).public_url == public_url


BAD = {
    "PORT": ["x", "0", "65536", "80.5"],
    "PUBLIC_URL": ["localhost:8000", "ftp://example.com", "https://", "http://example.com/portal",
                   "http://example.com?x", "http://example.com#x", "http://me@example.com",
                   "http://example.com:port", "http://example.com:99999", "//example.com"],
    "DATABASE_URL": ["mysql://localhost/x", "localhost", "postgresql://u:pa%ss@h/x",
                     "postgresql://h/x?nonsense=1", "postgresql://[::1/x"],
    "DATABASE_DIRECT_URL": ["sqlite:///x"],
    "REDIS_URL": ["localhost:6379", "http://localhost"],
    "SMTP_URL": ["localhost:25", "http://localhost", "smtp://", "smtp://localhost:port",
                 "smtps://u:p#x@localhost"],
    "API_UPSTREAM": ["localhost:9000", "ftp://h", "http://", "http://h?x", "http://h#x", "http://",
                     "http://me:pw@h", "http://h:port", "http://h:0", "http://h/a b", "http://[::1",
                     "http://h/ü", "http://müller.example", "http://h/a/../b"],
    "SECRET_KEY": [",", f"{SECRET},", f",{SECRET}", " "],
    "ROOT_KEYS": ["x", "a" * 63, "a" * 65, "g" * 64, f"{'a' * 64} {'b' * 64}",
                  f"{'a' * 64},lk_root_{'a' * 38}"],
    "RECORD_BODIES": ["yes"],
    "MAX_BODY_BYTES": ["0", "-1", "1 MiB"],
    "TRUSTED_PROXY_HOPS": ["-1", "all"],
    "LOG_LEVEL": ["loud"],
    "BILLING_SANDBOX": ["off", "yes"],
    "OAUTH_GITHUB_CLIENT_ID": ["a b", "ü", "a\nb"],
    "OAUTH_OIDC_CLIENT_SECRET": ["a b"],
    "OAUTH_OIDC_ISSUER": ["login.example.com", "http://login.example.com", "https://", "https://h?",
                          "https://h#x", "https://me@h", "https://h:port", "https://h:0",
                          "https://h/a b"],
    "OAUTH_OIDC_NAME": ["x" * 41, "a\nb"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, bad) for name in BAD for bad in BAD[name]])
def test_wrong_setting_is_named_and_no_other(read, name, value):
    with pytest.raises(ValidationError) as caught:
        read(**{name: value})
    assert {fault["loc"] for fault in caught.value.errors()} == {(name.lower(),)}


def test_words_about_a_wrong_address_do_not_repeat_its_password(read):
    for name in ("DATABASE_URL", "SMTP_URL", "REDIS_URL", "API_UPSTREAM"):
        with pytest.raises(ValidationError) as caught:
            read(**{name: "postgresq://me:hun%ter2#x@host/name"})
        assert "ter2" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40ss@h:5432/name?sslmode=require",
        "postgres://h:5432,h2:5433/name",
        "postgresql:///name?host=%2Fvar%2Frun%2Fpostgresql",
        "postgresql://u@[::1]:5432/name",
    ],
)
def test_every_address_that_libpq_understands_is_taken(read, url):
    assert read(DATABASE_URL=url).database_url == url


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("http://10.0.0.7:8080/", "http://10.0.0.7:8080"),
        ("http://[::1]:9000/base/v2/", "http://[::1]:9000/base/v2"),
    ],
)
def test_upstream_may_have_a_port_and_a_path(read, value, kept):
    settings = read(API_UPSTREAM=value)
    assert settings.api_upstream == settings.api_name == kept


def test_api_app_and_upstream_are_not_both_set(read):
    with pytest.raises(ValidationError, match="API_APP and API_UPSTREAM are both set"):
        read(API_APP="app.screening.api:api", API_UPSTREAM="http://h")


def test_openapi_file_without_an_upstream_is_refused(read):
    with pytest.raises(ValidationError, match=r"API_OPENAPI .* set that too"):
        read(API_OPENAPI="openapi.json")


def test_sandbox_and_stripe_are_not_both_asked_for(read):
    with pytest.raises(ValidationError, match="take one of them away"):
        read(BILLING_SANDBOX="on", STRIPE_SECRET_KEY="sk_test_x")


@pytest.mark.parametrize(
    ("values", "has_sandbox"),
    [
        ({}, True),
        ({"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}, False),
        ({"HOST": "0.0.0.0"}, False),
        ({"PUBLIC_URL": "http://portal.example"}, False),
        ({"PUBLIC_URL": "http://portal.example", "BILLING_SANDBOX": "on"}, True),
    ],
)
def test_sandbox_is_there_where_nobody_else_is_or_when_asked_for(read, values, has_sandbox):
    assert read(**values).has_sandbox is has_sandbox


@pytest.mark.parametrize(
    ("host", "own_url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
        ("10.0.0.7", "http://10.0.0.7:8000"),
    ],
)
def test_machine_reaches_itself_where_it_listens(read, host, own_url):
    assert read(HOST=host).own_url == own_url


def test_https_needs_a_secret_key_by_name(read):
    with pytest.raises(ValidationError, match="SECRET_KEY is required when PUBLIC_URL is https"):
        read(PUBLIC_URL="https://api.example.com")
    assert read(PUBLIC_URL="https://api.example.com", SECRET_KEY=SECRET).is_https


@pytest.mark.parametrize("weak", ["x" * 31, f"{SECRET},{'x' * 31}", f"{'x' * 31} ,{SECRET}"])
def test_https_refuses_a_short_secret_key_by_name_and_does_not_repeat_it(read, weak):
    assert read(SECRET_KEY=weak).secret_key == weak
    with pytest.raises(ValidationError, match="SECRET_KEY is too short") as caught:
        read(PUBLIC_URL="https://api.example.com")
    assert "xxx" not in caught.value.errors()[0]["msg"]


def test_secret_key_is_a_list_whose_first_one_counts(read):
    assert read().secret_keys == ()
    assert read(SECRET_KEY=f"{SECRET}, {'y' * 32}").secret_keys == (SECRET, "y" * 32)


@pytest.mark.parametrize(
    ("values", "is_local"),
    [
        ({"HOST": "localhost"}, True),
        ({"HOST": "::1", "PUBLIC_URL": "http://[::1]:8000"}, True),
        ({"HOST": "0.0.0.0"}, False),
        ({"HOST": "192.168.1.2"}, False),
        ({"PUBLIC_URL": "http://portal.example"}, False),
        ({"PUBLIC_URL": "http://localhost.example"}, False),
    ],
)
def test_machine_is_local_only_if_nobody_else_reaches_it(read, values, is_local):
    assert read(**values).is_local is is_local


def test_environment_goes_before_the_file(read, tmp_path, monkeypatch):
    (tmp_path / "env").write_text("PORT=9001\nLOG_LEVEL=debug\nUNKNOWN=1\n")
    monkeypatch.setenv("PORT", "9002")
    settings = Settings(_env_file=tmp_path / "env")
    assert (settings.port, settings.log_level) == (9002, "debug")


def test_root_keys_are_digests_in_any_spelling(read):
    assert read().root_key_digests == frozenset()
    settings = read(ROOT_KEYS=f"{'ab' * 32}, {'CD' * 32},")
    assert settings.root_key_digests == {b"\xab" * 32, b"\xcd" * 32}


def test_words_about_a_root_key_do_not_repeat_it(read):
    with pytest.raises(ValidationError) as caught:
        read(ROOT_KEYS=f"lk_root_{'a' * 38}")
    said = caught.value.errors()[0]["msg"]
    assert "make another" in said
    assert "aaaa" not in said


def test_settings_cannot_be_changed(read):
    with pytest.raises(ValidationError):
        read().port = 1


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"stripe_secret_key": "sk_test_x"}, "STRIPE_WEBHOOK_SECRET is required"),
        ({"stripe_api_base": "https://stripe.example"}, "STRIPE_API_BASE needs"),
        (
            {"stripe_secret_key": "x", "stripe_webhook_secret": "y", "stripe_api_base": "ftp://x"},
            "must be like https://api.stripe.com",
        ),
    ],
)
def test_half_of_a_stripe_is_refused_by_name(values: dict[str, str], name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**values)


OIDC = {
    "OAUTH_OIDC_ISSUER": "https://login.example.com/",
    "OAUTH_OIDC_CLIENT_ID": "id",
    "OAUTH_OIDC_CLIENT_SECRET": "secret",
}
GITHUB = {"OAUTH_GITHUB_CLIENT_ID": "id", "OAUTH_GITHUB_CLIENT_SECRET": "secret"}
GOOGLE = {"OAUTH_GOOGLE_CLIENT_ID": "id", "OAUTH_GOOGLE_CLIENT_SECRET": "secret"}


@pytest.mark.parametrize("missing", [*OIDC, *GITHUB, *GOOGLE])
def test_half_a_provider_stops_the_start_by_the_name_of_what_is_missing(read, missing):
    provider = next(one for one in (OIDC, GITHUB, GOOGLE) if missing in one)
    with pytest.raises(ValidationError, match=f"{missing} must be set with OAUTH_"):
        read(**{name: value for name, value in provider.items() if name != missing})


def test_whole_providers_are_taken_and_the_issuer_is_kept_to_the_letter(read):
    settings = read(**OIDC, **GITHUB, **GOOGLE, OAUTH_OIDC_NAME="Our staff")
    assert settings.oauth_oidc_issuer == "https://login.example.com/"
    assert read(**{**OIDC, "OAUTH_OIDC_ISSUER": "http://127.0.0.1:9000"}).oauth_oidc_issuer


def test_name_without_a_provider_is_noticed(read):
    with pytest.raises(ValidationError, match="OAUTH_OIDC_ISSUER: set that"):
        read(OAUTH_OIDC_NAME="Our staff")
