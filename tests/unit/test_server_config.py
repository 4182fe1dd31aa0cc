"""The configuration of a server: what it means, and what each mistake is told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from sekisho import keyfiles
from sekisho.cli import main
from sekisho.reasons import Reason
from sekisho.server import config as module
from sekisho.server.config import Config, ConfigError, read_secret
from sekisho.server.tenants import Tenants
from sekisho.testing import AT, a_citizen, small_city

TENANT = """
[[tenant]]
name = "city"
number = 7
audience = "https://city.example"
profile = "client-auth-test"
trust = ["ca"]
"""
HTTP = '[http]\npath = "http.sock"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca").mkdir()
    for number, der in enumerate(small_city().trust()):
        (tmp_path / "ca" / f"{number}.cer").write_bytes(der)
    keyfiles.make(tmp_path / "challenge.keys")
    (tmp_path / "front.token").touch(mode=0o600)
    (tmp_path / "front.token").write_text("0123456789abcdef" * 4)
    return tmp_path


@pytest.fixture
def opened(folder: Path) -> Callable[[str], Tenants]:
    return lambda text: Tenants.open(Config.from_toml(text, folder=folder))


def faults(text: str, folder: Path | str = ".") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_toml(text, folder=folder)
    return str(caught.value).splitlines()


def test_the_module_shows_every_key_with_its_default() -> None:
    """The example of the module's own text is read whole, and what it shows for a default is one."""
    shown = re.search(r"\n\n(    \[engine\].*?)\n\n[A-Z]", module.__doc__ or "", re.DOTALL)
    assert shown is not None
    text = re.sub(r"^    ", "", shown[1], flags=re.MULTILINE).replace(", …", "").replace('["SHA-256"]', "[]")
    for name in ("www-data", "nginx", "envoy"):
        text = text.replace(f'"{name}"', "0")
    text = text.replace("group = 0", f'group = "{_a_group()}"').replace("[test]", "[test_]").replace("at = ", "# ")
    text = text.replace("[test_]", "").replace('dialect = "nginx-escaped-pem"', 'dialect = "envoy-xfcc"')
    config = Config.from_toml(text, folder="/etc/sekisho")
    assert config.engine.cache_bytes == module.EngineConfig().cache_bytes
    assert config.limits == module.Limits()
    assert config.log == module.LogConfig()
    assert config.revocation.refresh == module.RevocationConfig().refresh
    assert config.claims.slots == module.ClaimsConfig().slots
    assert config.tenants[0].hops[0].grpc_mode == 0o660
    assert config.tcp is not None
    assert config.tcp.certificate == Path("/etc/sekisho/server.pem")
    tables = {name: getattr(config, name) for name in module._TABLES if name != "test"} | {
        "tenant": config.tenants[0],
        "hops": config.tenants[0].hops[0],
    }
    for name, table in tables.items():
        for key in table.__dataclass_fields__:
            assert re.search(rf"^{key} = |^# or {key}|\b{key} = |\[\[tenant.{key}\]\]", text, re.MULTILINE), (name, key)


def _a_group() -> str:
    import grp

    return grp.getgrgid(os.getgid()).gr_name


def test_faults_name_the_line_the_key_and_the_nearest_right_one() -> None:
    text = '[engine]\nthread = 2\n[limits]\nrows = "many"\n[htpp]\n' + TENANT.replace("audience", "audiences")
    assert faults(text) == [
        "line 2: engine.thread: there is no such key; did you mean 'threads'?",
        "line 4: limits.rows: must be a whole number from 1 to 16777216, not 'many'",
        "line 5: htpp: there is no such table; did you mean 'http'?",
        "line 10: tenant[1].audiences: there is no such key; did you mean 'audience'?",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HTTP, "tenant: a server needs one tenant at least"),
        (TENANT, "nobody could ask this server"),
        (HTTP + '[[tenant]]\nname = "a"\n', "line 3: tenant[1]: trust must be given"),
        ('[http]\nlisten = "0.0.0.0:80"\n' + TENANT, "line 1: http: 0.0.0.0 can be reached from outside"),
        ('[http]\nlisten = "127.0.0.1:1"\npath = "x"\n' + TENANT, "http: give either path"),
        ('[tcp]\nlisten = "10.0.0.1:7443"\n' + TENANT, "TLS with client certificates is needed"),
        ('[tcp]\nlisten = "10.0.0.1:7443"\ncertificate = "a"\n' + TENANT, "only certificate is there"),
        ('[tcp]\nlisten = "city.example:1"\n' + TENANT, 'must be an address and a port, as in "127.0.0.1:7443"'),
        ('[tcp]\nlisten = "127.0.0.1:1"\n[test]\nat = 1\n' + TENANT, "leave out [test] or [tcp]"),
        (HTTP + "[test]\nat = 1\n" + TENANT.replace('"ca"', '"jpki"'), "JPKI's own anchors are not for a fixed time"),
        (HTTP.replace('"\n', '"\nmode = "0666"\n') + TENANT, 'as in "0660"'),
        (HTTP.replace('"\n', '"\ngroup = "no-such-group"\n') + TENANT, "there is no group 'no-such-group'"),
        (HTTP + TENANT + 'uids = ["no-such-user"]\n', "there is no user 'no-such-user'"),
        (HTTP + TENANT + "uids = [true]\n", "must be users' names or numbers"),
        (HTTP + TENANT + 'client_certificates = ["ab"]\n', "is no SHA-256 of a certificate"),
        (HTTP + TENANT + 'keys = "credential:k"\n', "LoadCredential=k:FILE"),
        (HTTP + TENANT + TENANT, "tenant[1].name has the same name, city"),
        (HTTP + TENANT + TENANT.replace("city", "town"), "tenant[1].number has the same number, 7"),
        (HTTP + "[engine]\ncache_bytes = 2097151\n" + TENANT, "1 tenants need 2097152 bytes each"),
        (HTTP + "[limits]\nrows = 10\n" + TENANT, "must not be more than rows, 10"),
        (
            HTTP + TENANT + '[[tenant.hops]]\nname = "f"\ndialect = "nginx"\n',
            "must be one of rfc9440, nginx-escaped-pem",
        ),
        (HTTP + TENANT + '[[tenant.hops]]\nname = "f"\ndialect = "rfc9440"\n', "nobody can speak for this hop"),
        (HTTP + TENANT + '[[tenant.hops]]\nname = "f"\ndialect = "rfc9440"\ngrpc = "g"\n', 'dialect = "envoy-xfcc"'),
        (
            '[http]\nlisten = "127.0.0.1:1"\n'
            + TENANT
            + '[[tenant.hops]]\nname = "f"\ndialect = "rfc9440"\nuids = [1]\n',
            "users are known over a Unix socket alone",
        ),
        (HTTP + '[claims]\nvalkey = "valkey://10.0.0.1:6379"\n' + TENANT, "10.0.0.1 is beyond loopback"),
        (
            HTTP + '[claims]\nvalkey = "redis://127.0.0.1"\n' + TENANT,
            'must be "unix:/PATH" or "valkey://127.0.0.1:6379"',
        ),
        (HTTP + '[claims]\nvalkey = "valkey://127.0.0.1:0"\n' + TENANT, 'must be "unix:/PATH"'),
        (HTTP + f'[claims]\nvalkey = "unix:/{"x" * 120}"\n' + TENANT, "has at most 107 bytes"),
        (HTTP + '[claims]\nvalkey_password = "p"\n' + TENANT, "give both, or neither"),
        (HTTP + '[claims]\nvalkey = "unix:/s"\nvalkey_timeout_ms = 1001\n' + TENANT, "from 1 to 1000"),
        (HTTP + '[claims]\nvalkey = "unix:/s"\n[test]\nat = 1\n' + TENANT, "leave out [test] or claims.valkey"),
        ("[http\n" + TENANT, "this is not TOML"),
        (f'[socket]\npath = "{"x" * 120}"\n' + TENANT, "has at most 107 bytes"),
    ],
)
def test_what_each_mistake_is_told(text: str, wanted: str, tmp_path: Path) -> None:
    told = faults(text, tmp_path)
    assert any(wanted in line for line in told), told


def test_two_tenants_may_not_have_one_client_certificate() -> None:
    line = f'client_certificates = ["{"AB:" * 31}AB"]\n'
    other = TENANT.replace("city", "town").replace("7", "8")
    assert "speaks for another tenant too" in faults(HTTP + TENANT + line + other + line)[0]


def test_a_file_is_read_and_its_faults_bear_its_name(tmp_path: Path) -> None:
    file = tmp_path / "sekisho.toml"
    file.write_text(HTTP + TENANT)
    config = Config.load(file)
    assert (config.file, config.tenants[0].trust) == (file, (tmp_path / "ca",))
    assert config.http is not None
    assert config.http.path == tmp_path / "http.sock"
    file.write_text("[engin]\n" + HTTP + TENANT)
    with pytest.raises(ConfigError, match=re.escape(f"{file}: line 1: engin: there is no such table; did you mean")):
        Config.load(file)
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Config.load(file)


def test_a_token_is_a_secret(folder: Path) -> None:
    token = folder / "front.token"
    assert read_secret(token) == "0123456789abcdef" * 4
    token.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(token)
    token.chmod(0o600)
    token.write_text("short")
    with pytest.raises(ConfigError, match="openssl rand -hex 32"):
        read_secret(token)


# ---- tenants ---------------------------------------------------------------------------------------------


def test_a_tenant_is_opened_with_all_that_is_its_own(folder: Path, opened: Callable[[str], Tenants]) -> None:
    text = f"""
[claims]
file = "claims"
[engine]
threads = 1
[test]
at = {AT}
{HTTP}
{TENANT.replace('"client-auth-test"', '["jpki-auth-test", "client-auth-test"]')}
keys = "challenge.keys"
uids = [1001]
[[tenant.hops]]
name = "front"
dialect = "nginx-escaped-pem"
profile = "client-auth-test"
token = "front.token"
"""
    with opened(text) as tenants:
        (tenant,) = tenants.speaking(uid=1001)
        assert tenants.speaking(uid=1002) == tenants.speaking() == tenants.speaking(token="x" * 64) == []
        assert (tenant.number, tenant.name, tenant.audience, tenant.at) == (7, "city", "https://city.example", AT)
        first = tenant.verifier()
        assert first.profile.name == "jpki-auth-test"
        assert tenant.verifier(first.profile.id32) is tenant.verifier("jpki-auth-test") is first
        with pytest.raises(LookupError, match="it has jpki-auth-test, client-auth-test"):
            tenant.verifier("jpki-auth")
        assert tenant.challenges is not None
        assert tenant.claims is not None
        assert tenant.claims.path == str(folder / "claims.7")
        hop = tenants.hops["front"]
        assert hop.verifier is tenant.verifier("client-auth-test")
        assert hop.is_spoken_for(token="0123456789abcdef" * 4)
        assert not hop.is_spoken_for(token="0123456789abcdef" * 3)
        assert not hop.is_spoken_for(uid=1001)  # who speaks for the tenant is no gateway
        assert "0123" not in repr(hop) + repr(tenant)
        verdict = hop.verifier.verify_certificates([a_citizen().certificate()], at=tenant.at or 0)[0]
        assert verdict.reason is Reason.CERTIFICATE_OK
        again = Tenants.open(tenants.config, before=tenants)
        assert again.by_number[7].engine is tenant.engine


def test_two_tenants_share_no_engine_claims_or_keys(folder: Path, opened: Callable[[str], Tenants]) -> None:
    keyfiles.make(folder / "town.keys")
    both = f'[claims]\nfile = "claims"\n{HTTP}{TENANT}keys = "challenge.keys"\n'
    both += TENANT.replace("city", "town").replace("7", "8") + 'keys = "town.keys"\n'
    with opened(both) as tenants:
        city, town = tenants
        assert city.engine is not town.engine
        assert city.claims is not None
        assert town.claims is not None
        assert city.claims.path != town.claims.path
        assert city.challenges is not None
        assert town.challenges is not None
        assert not city.challenges.ids & town.challenges.ids
        total = city.engine.cache_statistics().bytes_max + town.engine.cache_statistics().bytes_max
        assert total <= tenants.config.engine.cache_bytes


def test_tenants_share_one_valkey_and_a_reload_keeps_it(folder: Path, opened: Callable[[str], Tenants]) -> None:
    (folder / "valkey.password").touch(mode=0o600)
    (folder / "valkey.password").write_text("0123456789abcdef")
    shared = '[claims]\nfile = "claims"\nvalkey = "valkey://[::1]:6379"\nvalkey_password = "valkey.password"\n'
    both = shared + HTTP + TENANT + 'keys = "challenge.keys"\n'
    both += TENANT.replace("city", "town").replace("7", "8") + 'keys = "challenge.keys"\n'
    with opened(both) as tenants:
        assert tenants.valkey is not None
        assert {one.claims.valkey for one in tenants if one.claims is not None} == {tenants.valkey}
        assert Tenants.open(tenants.config, before=tenants).valkey is tenants.valkey
        assert tenants.valkey.statistics().trouble == "not-asked"
        assert "0123" not in repr(tenants.valkey)
    (folder / "valkey.password").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        opened(both)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HTTP + TENANT.replace("client-auth-test", "client-aut-test"), "did you mean 'client-auth-test'"),
        (HTTP + TENANT.replace('"client-auth-test"', '"client-auth"'), r"give \[revocation\] store"),
        (HTTP + '[revocation]\nstore = "none"\n' + TENANT, "sekisho revocation build"),
        (HTTP + TENANT + 'keys = "none.keys"\n', "sekisho keys make"),
        (HTTP + TENANT.replace('"ca"', '"challenge.keys"'), "neither PEM nor DER"),
        (HTTP + "[test]\nat = 1\n" + TENANT.replace("client-auth-test", "strict-rfc5280"), "is no test profile"),
        (
            HTTP + TENANT + '[[tenant.hops]]\nname = "f"\ndialect = "rfc9440"\nuids = [1]\nprofile = "x"\n',
            "no profile 'x'",
        ),
        (
            HTTP + TENANT + '[[tenant.hops]]\nname = "f"\ndialect = "rfc9440"\ntoken = "challenge.keys"\n',
            "no token of 16 to 512",
        ),
    ],
)
def test_what_cannot_be_opened_is_told(text: str, wanted: str, opened: Callable[[str], Tenants]) -> None:
    with pytest.raises(ConfigError, match=wanted):
        opened(text)


def test_check_says_what_it_found(folder: Path) -> None:
    file = folder / "sekisho.toml"
    file.write_text(f'{HTTP}{TENANT}keys = "challenge.keys"\nuids = [1001]\n[claims]\nfile = "claims"\n')
    result = CliRunner().invoke(main, ["serve", "--check", str(file)])
    assert result.exit_code == 0, result.output
    for wanted in ("http: ", "tenant city: number 7", "takes logins", "users 1001", "O=JPKI-TEST", "may issue"):
        assert wanted in result.output
    file.write_text("[htp]\n")
    result = CliRunner().invoke(main, ["serve", "--check", str(file)])
    assert (result.exit_code, "did you mean 'http'" in result.output) == (2, True)
