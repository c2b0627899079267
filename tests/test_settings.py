"""Settings: environment > .env.local > .env, each checked and documented."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from secondlook.errors import SettingInvalid
from secondlook.services import connect
from secondlook.settings import Settings, environment_names, load_settings
from secondlook.stores.samples import MADE_UP_USER
from tests.documents import PAGES
from tests.examples import USER

PAGE = PAGES["docs/settings.md"]
KEY = "sk-proj-a1b2c3d4e5f6"


def refusal() -> SettingInvalid:
    """The error that the current settings are refused with."""
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    return caught.value


def test_the_defaults_are_v01s(monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds where nothing is set, as the seeds fix it."""
    monkeypatch.delenv("SECONDLOOK_DATA_DIR")
    monkeypatch.delenv("SECONDLOOK_USER")
    settings = load_settings()
    assert (settings.env, settings.agent, settings.model) == ("development", "auto", "gpt-4o-2024-08-06")
    assert (settings.max_tokens, settings.deadline_seconds, settings.lease_seconds) == (2000, 60, 15)
    assert settings.data_dir == Path(".secondlook")
    assert (settings.user, settings.openai_api_key, settings.supabase_url) == (None, None, None)
    assert (settings.supabase_key, settings.supabase_secret_key) == (None, None)
    assert (settings.ledger_url, settings.public_url) == (None, None)
    assert (settings.agent_retries, settings.retry_seconds, settings.concurrency) == (2, 300, 8)


@pytest.mark.parametrize(
    ("environment", "local", "shared", "model"),
    [
        pytest.param("one", "two", "three", "one", id="environment first"),
        pytest.param(None, "two", "three", "two", id="then .env.local"),
        pytest.param(None, None, "three", "three", id="then .env"),
        pytest.param("", "two", "three", "two", id="empty in the environment is unset"),
    ],
)
def test_precedence(
    environment: str | None,
    local: str | None,
    shared: str | None,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment wins over .env.local, which wins over .env; other names in the files are ignored."""
    if environment is not None:
        monkeypatch.setenv("SECONDLOOK_MODEL", environment)
    for name, value in ((".env.local", local), (".env", shared)):
        if value is not None:
            Path(name).write_text(f"SECONDLOOK_MODEL={value}\nSOMETHING_ELSE=1\n", encoding="utf-8")
    assert load_settings().model == model


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_empty_is_unset(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value is no value."""
    monkeypatch.delenv("SECONDLOOK_USER")
    expected = getattr(load_settings(), field) if field != "data_dir" else Path(".secondlook")
    for name in environment_names(field):
        monkeypatch.setenv(name, "")
    assert getattr(load_settings(), field) == expected


def test_a_user_is_written_as_the_tables_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another way to write the same UUID is the same user."""
    monkeypatch.setenv("SECONDLOOK_USER", USER.upper().replace("-", ""))
    assert load_settings().user == USER


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        pytest.param("SECONDLOOK_ENV", "prod", "development, production", id="env"),
        pytest.param("SECONDLOOK_USER", "me", "a user's UUID", id="user"),
        pytest.param("SECONDLOOK_AGENT", "robot", "auto, openai, azure, compatible, offline", id="agent"),
        pytest.param(
            "SECONDLOOK_MODEL", "  ", "a model's or deployment's name, without spaces", id="model: blank"
        ),
        pytest.param("SECONDLOOK_TEMPERATURE", "2.1", "a number from 0 to 2", id="temperature: high"),
        pytest.param("SECONDLOOK_TEMPERATURE", "-0.1", "a number from 0 to 2", id="temperature: low"),
        pytest.param("SECONDLOOK_TEMPERATURE", "nan", "a number from 0 to 2", id="temperature: nan"),
        pytest.param("SECONDLOOK_TEMPERATURE", "warm", "a number from 0 to 2", id="temperature: text"),
        pytest.param("SECONDLOOK_MAX_TOKENS", "0", "a whole number from 1", id="max tokens: 0"),
        pytest.param("SECONDLOOK_MAX_TOKENS", "2e3", "a whole number from 1", id="max tokens: 2e3"),
        pytest.param("SECONDLOOK_MAX_TOKENS", "12.5", "a whole number from 1", id="max tokens: 12.5"),
        pytest.param("SECONDLOOK_TOKEN_PARAMETER", "tokens", "auto, max_tokens", id="token parameter"),
        pytest.param("SECONDLOOK_DEADLINE_SECONDS", "0", "a number above 0", id="deadline: 0"),
        pytest.param("SECONDLOOK_DEADLINE_SECONDS", "nan", "a number above 0", id="deadline: nan"),
        pytest.param("SECONDLOOK_DEADLINE_SECONDS", "inf", "a number above 0", id="deadline: inf"),
        pytest.param("SECONDLOOK_AGENT_RETRIES", "11", "a whole number from 0 to 10", id="retries: many"),
        pytest.param("SECONDLOOK_AGENT_RETRIES", "-1", "a whole number from 0 to 10", id="retries: below 0"),
        pytest.param(
            "SECONDLOOK_RETRY_SECONDS", "-1", "a number from 0 to 86400", id="retry seconds: below 0"
        ),
        pytest.param("SECONDLOOK_RETRY_SECONDS", "nan", "a number from 0 to 86400", id="retry seconds: nan"),
        pytest.param("SECONDLOOK_CONCURRENCY", "0", "a whole number from 1 to 256", id="concurrency: 0"),
        pytest.param("SECONDLOOK_CONCURRENCY", "257", "a whole number from 1 to 256", id="concurrency: many"),
        pytest.param("SECONDLOOK_LEASE_SECONDS", "0.1", "a number from 0.5", id="lease"),
        pytest.param("OPENAI_BASE_URL", "api.openai.com", "an http:// or https:// address", id="base URL"),
        pytest.param("OPENAI_BASE_URL", "http://a b", "an http:// or https:// address", id="base URL: blank"),
        pytest.param("SECONDLOOK_PUBLIC_URL", "look.example", "the http:// or https://", id="public URL"),
        pytest.param(
            "SECONDLOOK_PUBLIC_URL", "javascript:x", "the http:// or https://", id="public URL: code"
        ),
        pytest.param("SUPABASE_URL", "somewhere", "the http:// or https:// address", id="Supabase URL"),
        pytest.param("SUPABASE_URL", "https://", "the http:// or https:// address", id="Supabase URL: empty"),
        pytest.param(
            "SUPABASE_URL", "http://x:y", "the http:// or https:// address", id="Supabase URL: port"
        ),
        pytest.param("NEXT_PUBLIC_SUPABASE_URL", "x.supabase.co", "the http:// or https://", id="app's URL"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting, its value and what is allowed."""
    monkeypatch.setenv(name, value)
    message = refusal().message
    assert message.startswith(f"{named(name)} is {value!r}; allowed: {allowed}")


@pytest.mark.parametrize(
    "key", [f"{KEY}\u00e9", f"{KEY}\x07", f"{KEY}\nx"], ids=["accent", "control", "two lines"]
)
def test_a_wrong_key_is_never_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a key that cannot be one."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    message = refusal().message
    assert message.startswith("OPENAI_API_KEY is (hidden); allowed: ")
    assert "a1b2c3" not in message


def jwt(role: str, *, padding: str = "") -> str:
    """A key of Supabase's older kind; padding shifts what base64 makes of its role."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": "supabase", "pad": padding, "role": role})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join((*encoded, "c2lnbmF0dXJl"))


PEOPLES = ("SUPABASE_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY")
SECRETS = [
    pytest.param("sb_secret_a1b2c3d4e5f6", id="new"),
    *(pytest.param(jwt("service_role", padding="x" * length), id=f"token, {length}") for length in range(4)),
]
PUBLIC = [pytest.param("sb_publishable_a1b2c3d4e5f6", id="new"), pytest.param(jwt("anon"), id="token")]


@pytest.mark.parametrize("name", PEOPLES)
@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_key_for_people_is_refused(name: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes row security: it is refused under either name, and not shown."""
    monkeypatch.setenv(name, f" {key}\n")
    message = refusal().message
    assert message.startswith(f"{named(name)} is (hidden); allowed: the project's publishable or anon key")
    assert key[:12] not in message
    assert key[-12:] not in message


@pytest.mark.parametrize("key", [*PUBLIC, pytest.param("a1b2c3", id="neither")])
def test_a_peoples_key_is_no_secret_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mix-up is told at the start, not by an empty list."""
    monkeypatch.setenv("SUPABASE_SECRET_KEY", key)
    message = refusal().message
    assert message.startswith(
        "SUPABASE_SECRET_KEY is (hidden); allowed: the project's secret or service_role"
    )
    assert key[:12] not in message


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        pytest.param("OPENAI_API_KEY", KEY, id="OpenAI"),
        *(pytest.param("SUPABASE_SECRET_KEY", *each.values, id=f"secret, {each.id}") for each in SECRETS),
        *(pytest.param(name, *each.values, id=f"{name}, {each.id}") for name in PEOPLES for each in PUBLIC),
        pytest.param("SECONDLOOK_LEDGER_URL", "postgresql://user:password@host:5432/ledger", id="postgresql"),
        pytest.param("SECONDLOOK_LEDGER_URL", "postgres://host/ledger?sslmode=require", id="postgres"),
    ],
)
@pytest.mark.parametrize("in_a_file", [False, True], ids=["environment", ".env.local"])
def test_a_secret_is_read(
    name: str, secret: str, monkeypatch: pytest.MonkeyPatch, *, in_a_file: bool
) -> None:
    """Of each kind, by each name, without white space around it; from a file as the documents have it."""
    if in_a_file:
        Path(".env.local").write_text(f"# Add to .env.local\n{name}={secret}\n", encoding="utf-8")
    else:
        monkeypatch.setenv(name, f" {secret}\n")
    (field,) = [field for field in Settings.model_fields if name in environment_names(field)]
    given = getattr(load_settings(), field)
    assert isinstance(given, SecretStr)
    assert given.get_secret_value() == secret


@pytest.mark.parametrize("field", ["supabase_key", "supabase_secret_key", "openai_api_key", "ledger_url"])
def test_a_blank_secret_is_none(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """White space is unset, as nothing is."""
    for name in environment_names(field):
        monkeypatch.setenv(name, " \t")
    assert getattr(load_settings(), field) is None


@pytest.mark.parametrize(
    ("field", "first", "second"),
    [
        ("supabase_url", "http://one.example", "http://two.example"),
        ("supabase_key", "sb_publishable_one", "sb_publishable_two"),
    ],
)
def test_two_names_of_one_setting(
    field: str, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product's own name counts where both are set, and its app's where that is empty."""
    own, apps = environment_names(field)

    def given() -> str:
        value = getattr(load_settings(), field)
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    monkeypatch.setenv(apps, second)
    assert given() == second
    monkeypatch.setenv(own, first)
    assert given() == first
    monkeypatch.setenv(own, "")
    assert given() == second


@pytest.mark.parametrize("own_name_in_the_file", [False, True], ids=["app's name", "own name"])
def test_precedence_with_two_names(monkeypatch: pytest.MonkeyPatch, *, own_name_in_the_file: bool) -> None:
    """The environment wins over .env.local by whichever name."""
    own, apps = environment_names("supabase_url")
    environment, file = (apps, own) if own_name_in_the_file else (own, apps)
    Path(".env.local").write_text(f"{file}=http://file.example\n", encoding="utf-8")
    monkeypatch.setenv(environment, "http://environment.example")
    assert load_settings().supabase_url == "http://environment.example"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("mysql://user:a1b2c3@host/ledger", id="another database"),
        pytest.param("user:a1b2c3@host/ledger", id="no scheme"),
        pytest.param("postgresql://user:a1b2c3@host", id="no database"),
        pytest.param("postgresql://user:a1b2c3@host/", id="empty database"),
        pytest.param("postgresql://user:a1b2c3@host:x/ledger", id="port"),
        pytest.param("postgresql://user:a1b2c3@host:99999/ledger", id="high port"),
        pytest.param("postgresql://user:a1b2c3@[host/ledger", id="bracket"),
        pytest.param("a1b2c3.db", id="a file"),
    ],
)
def test_a_wrong_ledgers_url_is_never_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password."""
    monkeypatch.setenv("SECONDLOOK_LEDGER_URL", url)
    message = refusal().message
    assert message.startswith("SECONDLOOK_LEDGER_URL is (hidden); allowed: postgresql://user:password@host")
    assert "a1b2c3" not in message


@pytest.mark.parametrize("name", ["SUPABASE_URL", "SECONDLOOK_PUBLIC_URL", "OPENAI_BASE_URL"])
def test_an_address_may_hold_a_password(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So one that is wrong is not shown where it may."""
    monkeypatch.setenv(name, "https//user:a1b2c3@host")
    assert refusal().message.startswith(f"{named(name)} is (hidden); allowed: ")


def test_pages_never_hold_the_secret_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is the same, and nothing changes where there is no such key."""
    assert load_settings().for_pages() == load_settings()
    monkeypatch.setenv("SUPABASE_KEY", "sb_publishable_x")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_a1b2c3")
    settings = load_settings()
    pages = settings.for_pages()
    assert pages.supabase_secret_key is None
    assert pages != settings
    assert pages.model_dump(exclude={"supabase_secret_key"}) == settings.model_dump(
        exclude={"supabase_secret_key"}
    )


def test_settings_do_not_show_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings prints no key and no password."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SUPABASE_KEY", "sb_publishable_a1b2c3")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_a1b2c3")
    monkeypatch.setenv("SECONDLOOK_LEDGER_URL", "postgresql://user:a1b2c3@host/ledger")
    assert "a1b2c3" not in repr(load_settings()) + str(load_settings()) + load_settings().model_dump_json()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SECONDLOOK_BUDGET_DAY_USDS", "is no setting; did you mean SECONDLOOK_BUDGET_DAY_USD?"),
        ("SECONDLOOK_MODELL", "is no setting; did you mean SECONDLOOK_MODEL?"),
        ("SECONDLOOK_QQQ_ZZZ_XYXYXYXY", "is no setting"),
    ],
)
@pytest.mark.parametrize("where", ["the environment", ".env", ".env.local"])
def test_a_setting_that_nobody_knows_is_named(
    name: str, said: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the nearest that exists, and with where it stands; its value is not shown."""
    if where == "the environment":
        monkeypatch.setenv(name, "canary")
    else:
        Path(where).write_text(f"{name.lower()}=canary\n", encoding="utf-8")
    with pytest.raises(SettingInvalid) as refused:
        load_settings()
    assert refused.value.message == f"{name} in {where} {said}"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A .env that cannot be read is a clear error."""
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00SECONDLOOK_ENV=production")
    assert ".env" in refusal().message


def named(name: str) -> str:
    """A setting as a message names it: by all its names."""
    (names,) = [names for names in map(environment_names, Settings.model_fields) if name in names]
    return " or ".join(names)


def table() -> dict[tuple[str, ...], tuple[str, str]]:
    """The tables of docs/settings.md: by each setting's names, its default and what is allowed."""
    rows = re.findall(r"^\| (`\w+`(?:,(?: or)? `\w+`)*) \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == PAGE.count("\n| `"), "a row is not like the others"
    keys = [tuple(re.findall(r"`(\w+)`", names)) for names, _, _ in rows]
    assert len({name for names in keys for name in names}) == sum(map(len, keys)), "a setting is there twice"
    return {names: (default, allowed) for names, (_, default, allowed) in zip(keys, rows, strict=True)}


def written(default: object) -> str:
    """A default as the page writes it."""
    return "none" if default is None else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_page_lists_the_settings() -> None:
    """Exactly those that there are, by all their names, none twice, none that is gone."""
    assert set(table()) == {environment_names(field) for field in Settings.model_fields}


@pytest.mark.parametrize("field", [field for field in Settings.model_fields if field != "user"])
def test_the_pages_defaults_are_the_real_ones(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says holds where nothing is set."""
    monkeypatch.delenv("SECONDLOOK_DATA_DIR")
    default, _ = table()[environment_names(field)]
    assert default == written(getattr(load_settings(), field))


def test_the_pages_default_user_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset, the first sample user asks: the made-up contractor."""
    monkeypatch.delenv("SECONDLOOK_USER")
    assert table()[("SECONDLOOK_USER",)][0] == "the first sample user"
    assert (load_settings().user, connect().default_user()) == (None, MADE_UP_USER)


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_the_page_names_what_is_allowed(field: str) -> None:
    """Each word that a setting may be, and each bound of a number."""
    info = Settings.model_fields[field]
    words: list[str] = (
        re.findall(r"'(\w+)'", str(info.annotation)) if "Literal" in str(info.annotation) else []
    )
    bounds = re.findall(r"\b(?:ge|gt|le)=([\d.]+)", f"{info.annotation} {info.metadata}")
    _, allowed = table()[environment_names(field)]
    assert [word for word in words if f"`{word}`" not in allowed] == []
    assert [
        bound for bound in bounds if not re.search(rf"(?<![\d.]){re.escape(bound)}(?![\d.]\d)", allowed)
    ] == []
    if field in {
        *("temperature", "max_tokens", "deadline_seconds", "lease_seconds", "agent_retries"),
        *("retry_seconds", "concurrency"),
    }:
        assert len(bounds) == 2
    if field in {"env", "agent", "token_parameter", "temperature", "dispatch"}:
        assert words


def test_every_setting_says_what_is_allowed() -> None:
    """A wrong value's message is only as good as the setting's description."""
    assert all(field.description for field in Settings.model_fields.values())
