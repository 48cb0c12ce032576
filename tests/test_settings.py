"""Where settings come from, which source goes first, and what is said of what nobody knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from podium.errors import SettingsError
from podium.settings import DiastemaSettings, DotsSettings, Location, Settings, load


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PODIUM_", "MQTT_", "INFLUXDB_", "DIASTEMA_", "MONGO_")) or name in {
            "SECRET_KEY",
            "OAUTH_PASSWORD",
            "SIMULATOR_NAME",
        }:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def file(text: str) -> None:
    Path("podium.toml").write_text(text)


def revealed(settings: Settings, name: str) -> str | None:
    secret = getattr(settings, name)
    return secret and secret.get_secret_value()


def test_without_anything_all_is_embedded_and_on_loopback() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8001, Path(".podium"))
    assert settings.broker is settings.database is settings.series is settings.password is None
    assert settings.mso
    assert not settings.metrics_open
    assert (settings.dots.simulator, settings.dots.settle_ms, settings.dots.qos) == ("dots-so", 20, 0)


def test_the_first_source_that_names_a_setting_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Path("password")
    secret.write_text("of a file\n")
    sources = [
        ("legacy", lambda: monkeypatch.setenv("OAUTH_PASSWORD", "legacy")),
        ("of toml", lambda: file('password = "of toml"')),
        ("of a file", lambda: monkeypatch.setenv("PODIUM_PASSWORD_FILE", str(secret))),
        ("environment", lambda: monkeypatch.setenv("PODIUM_PASSWORD", "environment")),
    ]
    for value, add in sources:
        add()
        assert revealed(load(), "password") == value
    assert revealed(load(password="given"), "password") == "given"
    assert revealed(load(password=None), "password") == "environment"  # an option that was not given


def test_tables_of_dialects_are_settings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    file("port = 9000\n[dots]\nsettle_ms = 5\nqos = 1\n")
    monkeypatch.setenv("PODIUM_DOTS_SETTLE_MS", "0")
    monkeypatch.setenv("SIMULATOR_NAME", "other-so")
    settings = load()
    assert settings.port == 9000
    assert (settings.dots.settle_ms, settings.dots.qos, settings.dots.simulator) == (0, 1, "other-so")


def test_lists_are_written_with_commas_or_as_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_PORTS", "5000, 5888")
    file('hosts = ["a", "b"]')
    assert load().ports == (5000, 5888)
    assert load().hosts == ("a", "b")


def test_a_file_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.toml").write_text("port = 1234")
    monkeypatch.setenv("PODIUM_CONFIG", "other.toml")
    assert load().port == 1234


def test_names_of_existing_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "MQTT_HOST": "broker",
        "MQTT_PORT": "1884",
        "MQTT_USERNAME": "us",
        "MQTT_PASSWORD": "p@ss/word",
        "MQTT_QOS": "1",
        "SECRET_KEY": "key",
        "INFLUXDB_HOST": "influx",
        "INFLUXDB_USER": "root",
        "INFLUXDB_PASSWORD": "a:b",
        "INFLUXDB_NAME": "GO-e",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.broker_location
    assert settings.broker_location.url == "mqtt://broker:1884"
    assert settings.broker_location.username == "us"
    assert settings.broker_location.password
    assert settings.broker_location.password.get_secret_value() == "p@ss/word"
    assert settings.dots.qos == 1
    assert revealed(settings, "secret_key") == "key"
    assert settings.series
    assert settings.series.url == "http://influx:8086/GO-e"
    assert settings.series.full == "http://root:a%3Ab@influx:8086/GO-e"


@pytest.mark.parametrize(
    "url", ["mongodb://a,,b", "mongodb://a:1,b:65536", "mongodb://u:p@a,v:q@b", "mongodb+srv://a,b", "http://a,b"]
)
def test_only_a_mongodb_has_many_hosts_and_each_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        Location.parse(url)


def test_passwords_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_SECRET_KEY", "hunter2")
    settings = load(broker="mqtt://user:hunter2@host", database="postgresql://user:hunter2@host/db", password="hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.broker)
    assert settings.database
    assert settings.database.full == "postgresql://user:hunter2@host/db"


def test_credentials_of_the_broker_may_come_apart_from_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_BROKER_PASSWORD", "s")
    location = load(broker="mqtt://user@host").broker_location
    assert location
    assert location.full == "mqtt://user:s@host"


def test_artifacts_are_with_all_other_data_unless_said_otherwise() -> None:
    assert load(data="here").artifacts_place == Path("here/artifacts")
    assert load(artifacts="/srv/artifacts").artifacts_place == Path("/srv/artifacts")
    assert load(artifacts="file:///srv/my%20artifacts").artifacts_place == Path("/srv/my artifacts")


def test_credentials_of_the_artifact_store_may_come_apart_from_its_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("PODIUM_ARTIFACTS_USERNAME", "podium")
    monkeypatch.setenv("PODIUM_ARTIFACTS_PASSWORD_FILE", str(tmp_path / "password"))
    settings = load(artifacts="https://s3.example?region=eu-west-1")
    assert isinstance(settings.artifacts_place, Location)
    assert settings.artifacts_place.full == "https://podium:s3cret@s3.example?region=eu-west-1"
    assert "s3cret" in settings.secrets
    assert "s3cret" not in repr(settings)


def test_the_artifact_store_has_the_names_of_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "minio", "PORT": "9001", "USER": "podium", "PASS": "p@ss"}.items():
        monkeypatch.setenv(f"MINIO_{name}", value)
    place = load().artifacts_place
    assert isinstance(place, Location)
    assert (place.url, place.full) == ("http://minio:9001", "http://podium:p%40ss@minio:9001")


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://h:1",
        "mqtt://u@h",
        "mqtt://u:p@h",
        "http://%C3%BC:%40%2F@h:1/x?y=z",
        "mongodb://u:p@a:1,b:2,[::1]:3,c/?replicaSet=x",
    ],
)
def test_a_location_is_taken_apart_and_put_together_again(url: str) -> None:
    assert Location.parse(url).full == url


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hots": "x"}, "there is no setting 'hots'. Did you mean 'hosts'?"),
        ({"port": "many"}, "port: "),
        ({"port": 70000}, "port: "),
        ({"port": "tcp://10.0.0.1:8001"}, "enableServiceLinks"),
        ({"backplane": "docker"}, "the docker backplane does not exist yet"),
        ({"backplane": "kubernetes"}, "the kubernetes backplane does not exist yet"),
        ({"backplane": "x"}, "backplane: must be 'process'"),
        ({"ports": "a,b"}, "ports[0]: must be a whole number"),
        ({"broker_advertise": "h:99999"}, "broker_advertise: 'h:99999' is not host:port"),
        ({"influx_advertise": ":::"}, "influx_advertise: ':::' is not host:port"),
        ({"artifacts": "http://user:pass:word/@host"}, "artifacts: not a URL"),
        ({"broker": "host:1883"}, "broker: not a URL"),
        ({"models": "none.yaml"}, "models: there is no file 'none.yaml'"),
        ({"dots": {"qos": 3}}, "dots.qos: "),
        ({"dots": {"simulator": "a/b"}}, "dots.simulator: "),
        ({"log_level": "loud"}, "log_level: "),
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**given)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "Did you mean 'port'?"),
        ("[dots]\nsetle_ms = 1", "Did you mean 'dots_settle_ms'?"),
        ("port = = 1", ""),
    ],
)
def test_a_file_with_a_fault_is_refused(text: str, said: str) -> None:
    file(text)
    with pytest.raises(SettingsError) as refused:
        load()
    assert said in str(refused.value)


def test_a_secret_in_a_value_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        load(broker="user:hunter2@host")
    assert "hunter2" not in str(refused.value)


def test_a_secret_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_PASSWORD_FILE", "/nowhere")
    with pytest.raises(SettingsError, match="PODIUM_PASSWORD_FILE"):
        load()


def test_unknown_variables_are_warned_of_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_HOTS", "x")
    monkeypatch.setenv("PODIUM_SERVICE_HOST", "10.0.0.1")  # Kubernetes sets it
    with structlog.testing.capture_logs() as logs:
        load()
    assert [(entry["name"], entry["nearest"]) for entry in logs] == [("PODIUM_HOTS", "PODIUM_HOSTS")]


def test_every_setting_is_described() -> None:
    page = (Path(__file__).parents[1] / "docs" / "server.md").read_text(encoding="utf-8")
    tables = {"dots": DotsSettings, "diastema": DiastemaSettings}
    of_tables = {f"{table}_{name}" for table, model in tables.items() for name in model.model_fields}
    names = {*Settings.model_fields, *of_tables} - {*tables}
    assert {name for name in names if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    "url", ["sqlite:///rel.db", "sqlite:////abs/a@b.db", "postgresql:///name", "mqtt://[::1]:1883"]
)
def test_a_url_is_kept_as_it_was_written(url: str) -> None:
    assert Location.parse(url).url == Location.parse(url).full == url


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://u:hunter2@127.0.0.1:notaport",
        "mqtt://u:hunter2@127.0.0.1:65536",
        "mqtt://u:hunter2",
        "mqtt://u:hunter2@",
        "postgresql://u:hunter2@h:bad/x",
        "postgresql://u:hunter/2@h/x",
        "postgresql://u:hunter@2@h/x",
        "postgresql://u:hunter#2@h/x",
        "postgresql://u:hunter?2@h/x",
        "postgresql://u:[hunter2@h]/x",
        "postgresql:///hunter2@h/x",
    ],
)
@pytest.mark.parametrize("setting", ["broker", "database"])
def test_what_is_no_url_is_refused_without_its_password(setting: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"{setting}: .*percent-encoded") as refused:
        load(**{setting: url})
    assert "hunter" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_behind_the_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="before the host") as refused:
        load(database="postgresql://h/x?user=u&password=hunter2")
    assert "hunter" not in str(refused.value)


def test_every_secret_there_is_can_be_masked() -> None:
    urls = {"broker": "mqtt://me:one1@b", "database": "postgresql://me:two2@d/p", "series": "http://me:three@s/p"}
    known = load(**urls, broker_password="four", password="five5", secret_key="six66666").secrets
    assert sorted(known) == ["five5", "four", "one1", "six66666", "three", "two2"]


def test_names_of_an_existing_analysis_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "DIASTEMA_KEY": "a key",
        "DIASTEMA_SERVICES_HOST": "services",
        "DIASTEMA_SERVICES_PORT": "5001",
        "FUNCTION_SERVICE_HOST": "functions",
        "DIASTEMA_FRONTEND_HOST": "front",
        "AUTOML_HOST": "automl",
        "MONGO_HOST": "mongo",
        "KUBERNETES_HOST": "the cluster, which is no analytics component",
        "HOST": "0.0.0.0",
        "PORT": "5000",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load()
    found = settings.diastema
    assert found.key
    assert found.key.get_secret_value() == "a key"
    urls = [str(url) for url in (found.services, found.functions, found.frontend, found.automl, found.mongo)]
    assert urls[:2] == ["http://services:5001", "http://functions:5001"]
    assert urls[2:] == ["http://front:5001", "http://automl:5001", "mongodb://mongo:27017"]
    assert found.analytics is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8001)
    assert "a key" in settings.secrets
    monkeypatch.setenv("PODIUM_DIASTEMA_SERVICES", "https://newer")
    assert str(load().diastema.services) == "https://newer"


def test_the_s3_of_analyses_is_the_artifact_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_DIASTEMA_S3", "http://us:s@minio:9000")
    assert str(load().artifacts_place) == "http://minio:9000"
    assert load(artifacts="elsewhere").artifacts_place == Path("elsewhere")


def test_secrets_of_analyses_may_come_from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key").write_text("from a file\n")
    monkeypatch.setenv("PODIUM_DIASTEMA_KEY_FILE", "key")
    key = load().diastema.key
    assert key
    assert key.get_secret_value() == "from a file"


@pytest.mark.parametrize(
    ("name", "value"),
    [("services", "tcp://host:1"), ("analytics", "http://host:6006"), ("mongo", "http://host"), ("s3", "s3://bucket")],
)
def test_addresses_of_analyses_say_how_they_are_reached(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PODIUM_DIASTEMA_{name.upper()}", value)
    with pytest.raises(SettingsError, match=rf"diastema\.{name}: its scheme must be"):
        load()
