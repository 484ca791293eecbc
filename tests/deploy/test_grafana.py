"""What Grafana provisions from files: sources, one folder, the boards, and nothing to click.

Grafana does not say what it does with two boards of one uid, or two of one title in a folder; so there must be none.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.delivery import FOLDER, SCRAPE_INTERVAL, SOURCE_UID, folder_uid, source_document
from roadworthy_dashboards.render import RENDERED

Document = dict[str, Any]


def read(path: Path) -> Document:
    document: Document = yaml.safe_load(path.read_text("utf-8"))
    return document


@pytest.fixture
def service(deploy: Path) -> Document:
    found: Document = read(deploy / "compose/compose.yaml")["services"]["grafana"]
    return found


@pytest.fixture
def provider(deploy: Path) -> Document:
    """Return the one provider of boards."""
    (file,) = (deploy / "grafana/provisioning/dashboards").iterdir()
    (found,) = read(file)["providers"]
    made: Document = found
    return made


@pytest.fixture
def sources(deploy: Path) -> list[Document]:
    (file,) = (deploy / "grafana/provisioning/datasources").iterdir()
    document = read(file)
    assert document["prune"] is True
    found: list[Document] = document["datasources"]
    return found


@pytest.fixture
def boards(service: Document, provider: Document) -> list[Document]:
    """Return the boards; compose mounts what it writes of them where the provider looks."""
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in service["volumes"]}
    assert mounted[provider["options"]["path"]] == "boards"
    folder = RENDERED
    assert {path.stem for path in folder.iterdir()} == set(BOARDS)
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).parent == Path(provider["options"]["path"])
    assert (folder / Path(home).name).is_file()
    return [json.loads(path.read_text("utf-8")) for path in folder.iterdir()]


def test_no_two_boards_have_one_uid_or_one_title(boards: list[Document]) -> None:
    for key in ("uid", "title"):
        counted = Counter(str(board[key]).casefold() for board in boards)
        assert {value: count for value, count in counted.items() if count > 1} == {}
    assert all(0 < len(board["uid"]) <= 40 for board in boards)


def test_boards_come_from_files_only_and_into_the_folder_a_push_would_use(provider: Document) -> None:
    assert provider["type"] == "file"
    assert (provider["folder"], provider["folderUid"]) == (FOLDER, folder_uid(FOLDER))
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is False
    # With folders from the files' folders it would have to be empty.
    assert provider["options"]["foldersFromFilesStructure"] is False


def test_no_board_has_the_uid_of_the_folder_or_of_a_source(
    boards: list[Document], provider: Document, sources: list[Document]
) -> None:
    taken = {provider["folderUid"], *(source["uid"] for source in sources)}
    assert len(taken) == 1 + len(sources)
    assert not taken & {board["uid"] for board in boards}


def test_the_source_is_the_one_a_push_would_make(sources: list[Document]) -> None:
    (prometheus,) = [source for source in sources if source["type"] == "prometheus"]
    pushed = source_document(prometheus["url"])
    assert {key: prometheus[key] for key in pushed if key != "jsonData"} | {
        "jsonData": pushed["jsonData"]
    } == pushed
    assert prometheus["uid"] == SOURCE_UID
    assert prometheus["jsonData"]["timeInterval"] == SCRAPE_INTERVAL
    assert prometheus["isDefault"] is True
    assert sum(bool(source.get("isDefault")) for source in sources) == 1
    for source in sources:
        assert source["editable"] is False
        assert source["access"] == "proxy"
        assert not source.keys() & {"secureJsonData", "basicAuthUser", "user", "password"}


def test_the_sources_are_services_of_compose_and_scraped_as_often_as_they_say(
    deploy: Path, sources: list[Document]
) -> None:
    services = read(deploy / "compose/compose.yaml")["services"]
    for source in sources:
        host, _, port = source["url"].removeprefix("http://").partition(":")
        assert host in services
        assert any(published.endswith(f":{port}") for published in services[host]["ports"])
    for file in ("compose/prometheus.yml", "compose/prometheus.postgresql.yml", "prometheus/prometheus.yml"):
        assert read(deploy / file)["global"]["scrape_interval"] == SCRAPE_INTERVAL


def test_every_board_asks_a_source_that_is_chosen_among_prometheuses(boards: list[Document]) -> None:
    for board in boards:
        (source,) = [found for found in board["templating"]["list"] if found["type"] == "datasource"]
        assert source["query"] == "prometheus"
        assert SOURCE_UID not in json.dumps(board)


def test_nothing_is_left_to_click(service: Document) -> None:
    """The user is made, the boards are there, and nobody else may sign up."""
    environment = service["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/secrets/admin-password"  # noqa: S105 - a path
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    for kind in ("datasources", "dashboards"):
        assert f"../grafana/provisioning/{kind}:/etc/grafana/provisioning/{kind}:ro" in service["volumes"]


def test_no_dollar_is_taken_for_a_variable(deploy: Path) -> None:
    """In provisioning files `$NAME` is filled in from the environment, outside comments."""
    for path in (deploy / "grafana/provisioning").rglob("*.yaml"):
        assert "$" not in json.dumps(yaml.safe_load(path.read_text("utf-8"))), path
