"""Settings: every mistake is told with the variable and the remedy, and no secret ever shows."""

import logging
import os
import traceback

import pytest

from config.settings import Settings, SettingsError, every_variable, load_settings, variable

SECRETS = {
    "ORDERWRIGHT_DATABASE_URL": "postgresql+psycopg://app:secret-database@db/orders",
    "ORDERWRIGHT_CHANNELS__SHOP__ACCESS_TOKEN": "secret-token",
    "ORDERWRIGHT_CHANNELS__SHOP__WEBHOOK_SECRET": "secret-webhook",
    "ORDERWRIGHT_ERP__PASSWORD": "secret-erp",
    "ORDERWRIGHT_TEMPORAL__API_KEY": "secret-temporal",
}
COMPLETE = SECRETS | {
    "ORDERWRIGHT_CHANNELS__SHOP__VENDOR": "shopify",
    "ORDERWRIGHT_CHANNELS__SHOP__URL": "https://brand.example.com/",
    "ORDERWRIGHT_ERP__VENDOR": "tryton",
    "ORDERWRIGHT_ERP__URL": "http://127.0.0.1:8000/",
    "ORDERWRIGHT_ERP__DATABASE": "erp",
    "ORDERWRIGHT_ERP__LOGIN": "orderwright",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch):
    """A function that makes the environment hold exactly these settings."""

    def give(**variables: str) -> None:
        for name in list(os.environ):
            if name.upper().startswith("ORDERWRIGHT_"):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    give()
    return give


def problems() -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(env_file=None)
    return caught.value.problems


def test_without_any_variable_the_embedded_defaults_hold(environment):
    settings = load_settings(env_file=None)
    assert settings.database.drivername == "sqlite"
    assert settings.temporal.address == "127.0.0.1:7233"
    assert settings.web.host == "127.0.0.1"
    assert settings.channels == {}
    assert settings.erp is None


def test_groups_nest_by_two_underscores(environment):
    environment(**COMPLETE, ORDERWRIGHT_WEB__PORT="9090", ORDERWRIGHT_LOG__FORMAT="json")
    settings = load_settings(env_file=None)
    shop = settings.channel("shop")
    assert shop.vendor == "shopify"
    assert shop.url == "https://brand.example.com", "an address loses its last slash"
    assert shop.access_token.get_secret_value() == "secret-token"
    assert shop.mapping == "shopify-tryton"
    assert settings.require_erp().login == "orderwright"
    assert settings.web.port == 9090
    assert settings.log.format == "json"


@pytest.mark.parametrize("text", ["0012", "1e5", "true", "null", "[1]", '{"a": 1}', "12.50"])
def test_a_secret_that_looks_like_json_stays_the_text_it_is(environment, text):
    environment(
        **COMPLETE | {"ORDERWRIGHT_CHANNELS__SHOP__ACCESS_TOKEN": text, "ORDERWRIGHT_ERP__PASSWORD": text}
    )
    settings = load_settings(env_file=None)
    assert settings.channel("shop").access_token.get_secret_value() == text
    assert settings.require_erp().password.get_secret_value() == text


def test_a_channel_may_have_an_underscore_in_its_name(environment):
    environment(**{name.replace("__SHOP__", "__BRAND_EU__"): value for name, value in COMPLETE.items()})
    assert list(load_settings(env_file=None).channels) == ["brand_eu"]


def test_the_environment_wins_over_the_file_and_foreign_names_are_left_alone(environment, tmp_path):
    file = tmp_path / ".env"
    file.write_text("ORDERWRIGHT_WEB__PORT=1111\nORDERWRIGHT_WEB__HOST=0.0.0.0\nPOSTGRES_PASSWORD=x\n")
    environment(
        ORDERWRIGHT_WEB__PORT="2222", ORDERWRIGHT_TEST_POSTGRES_URL="x", ORDERWRIGHT_SANDBOX_STORE_TOKEN="x"
    )
    settings = load_settings(env_file=file)
    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 2222)


def test_no_secret_shows_in_text_dump_or_log(environment, caplog):
    environment(**COMPLETE)
    settings = load_settings(env_file=None)
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("settings %s %r", settings, settings.channels)
        logging.getLogger("test").info("database %s", settings.database)
    shown = "\n".join(
        [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json(), caplog.text]
    )
    assert "brand.example.com" in shown, "the rest is there to be read"
    assert "secret-" not in shown


@pytest.mark.parametrize("broken", ["ORDERWRIGHT_ERP__VENDOR", "ORDERWRIGHT_CHANNELS__SHOP__VENDOR"])
def test_no_secret_shows_in_an_error(environment, broken):
    environment(**COMPLETE | {broken: "unheard-of", "ORDERWRIGHT_TEMPORAL__API_KEYS": "secret-misplaced"})
    try:
        load_settings(env_file=None)
    except SettingsError as error:
        text = "".join(traceback.format_exception(error)) + repr(error)
    assert broken in text
    assert "secret-" not in text


def test_a_database_address_with_an_unknown_driver_does_not_show_its_password(environment):
    environment(ORDERWRIGHT_DATABASE_URL="mysql://app:secret-database@db/orders")
    (problem,) = problems()
    assert "ORDERWRIGHT_DATABASE_URL" in problem
    assert "'mysql'" in problem
    assert "secret" not in problem


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ORDERWRIGHT_CHANNELS__SHOP__VENDOR", "magento", "'shopify'"),
        ("ORDERWRIGHT_CHANNELS__SHOP__URL", "brand.example.com", "http"),
        ("ORDERWRIGHT_CHANNELS__SHOP__COLOUR", "red", "not a setting"),
        ("ORDERWRIGHT_ERP__VENDOR", "sap", "'tryton'"),
        ("ORDERWRIGHT_WEB__PORT", "eighty", "integer"),
        ("ORDERWRIGHT_WEB__PORT", "70000", "65535"),
        ("ORDERWRIGHT_WEB__PROT", "80", "did you mean ORDERWRIGHT_WEB__PORT?"),
        ("ORDERWRIGHT_LOGLEVEL", "info", "did you mean ORDERWRIGHT_LOG__LEVEL?"),
        ("ORDERWRIGHT_LOG__LEVEL", "loud", "'debug'"),
        ("ORDERWRIGHT_TEMPORAL__ADDRESS", "localhost", "pattern"),
        ("ORDERWRIGHT_FEED_INTERVAL_SECONDS", "0", "greater than 0"),
        ("ORDERWRIGHT_DATABASE_URL", "orders", "sqlite:///file"),
        ("ORDERWRIGHT_DATABASE_URL", "oracle://db/orders", "'oracle'"),
        ("ORDERWRIGHT_DATABASE_URL", "sqlite://", "names no file"),
        ("ORDERWRIGHT_OTEL_ENDPOINT", "collector:4317", "http"),
    ],
)
def test_each_mistake_names_the_variable_and_the_reason(environment, name, value, words):
    environment(**COMPLETE | {name: value})
    (problem,) = problems()
    assert problem.startswith(name)
    assert words in problem
    assert "docs/settings.md" in problem


def test_everything_that_is_missing_is_told_at_once(environment):
    environment(ORDERWRIGHT_CHANNELS__SHOP__VENDOR="shopify", ORDERWRIGHT_ERP__URL="http://erp.example.com")
    told = problems()
    names = {problem.split()[0] for problem in told}
    assert names == {
        "ORDERWRIGHT_CHANNELS__SHOP__URL",
        "ORDERWRIGHT_CHANNELS__SHOP__ACCESS_TOKEN",
        "ORDERWRIGHT_CHANNELS__SHOP__WEBHOOK_SECRET",
        "ORDERWRIGHT_ERP__VENDOR",
        "ORDERWRIGHT_ERP__DATABASE",
        "ORDERWRIGHT_ERP__LOGIN",
        "ORDERWRIGHT_ERP__PASSWORD",
    }
    assert all("is not set; set it in the environment or in .env" in problem for problem in told)


@pytest.mark.parametrize("group", ["ERP", "WEB", "CHANNELS", "CHANNELS__SHOP"])
def test_a_group_given_as_one_variable_is_explained(environment, group):
    environment(**{f"ORDERWRIGHT_{group}": "tryton"})
    (problem,) = problems()
    assert problem.startswith(f"ORDERWRIGHT_{group} is a group; write one variable per setting")


def test_a_misspelled_variable_in_the_file_is_found_too(environment, tmp_path):
    file = tmp_path / ".env"
    file.write_text("ORDERWRIGHT_DATABASEURL=sqlite:///x\n")
    with pytest.raises(SettingsError, match=r"did you mean ORDERWRIGHT_DATABASE_URL\?"):
        load_settings(env_file=file)


def test_what_a_command_needs_and_misses_is_told_with_its_variable(environment):
    settings = load_settings(env_file=None)
    with pytest.raises(SettingsError, match="ORDERWRIGHT_CHANNELS__SHOP__VENDOR"):
        settings.channel("shop")
    with pytest.raises(SettingsError, match="ORDERWRIGHT_ERP__VENDOR"):
        settings.require_erp()


def test_every_setting_has_a_description_and_a_variable():
    listed = every_variable()
    assert {"ORDERWRIGHT_DATABASE_URL", "ORDERWRIGHT_CHANNELS__<NAME>__MAPPING", "ORDERWRIGHT_WEB__PORT"} <= {
        name for name, _ in listed
    }
    assert len(listed) == len({name for name, _ in listed})
    assert [name for name, description in listed if not description] == []
    groups = {path.split("__")[0].removeprefix("ORDERWRIGHT_").lower() for path, _ in listed}
    assert groups == set(Settings.model_fields), "a field of Settings that no variable leads to"


def test_variable_names_follow_the_path():
    assert variable("channels", "brand_eu", "access_token") == "ORDERWRIGHT_CHANNELS__BRAND_EU__ACCESS_TOKEN"
