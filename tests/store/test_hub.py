"""Versions travel to the Hub and back whole, for our client and for everyone else's; what is refused says why."""

import dataclasses
import logging
import shutil
from pathlib import Path

import pytest
import yaml
from datasets import Dataset, Value
from huggingface_hub import HfApi, close_session, constants

from sca_hf.errors import HubError, StoreError
from sca_hf.stage import Column
from sca_hf.store import Store, Version
from sca_hf.store.hub import retry
from sca_hf.store.hub.edited_card import CARD
from sca_hf.store.hub.hub import Hub
from tests.store.conftest import Toy
from tests.store.loopback_hub import LoopbackHub

pytestmark = pytest.mark.slow

FINGERPRINT = "0123456789abcdef"
TAG = f"v-{FINGERPRINT}"
REPO = "alice/demo-instructions"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Version:
    store = Store(tmp_path_factory.mktemp("written"), shard_bytes=20_000)
    return store.write("demo-instructions", FINGERPRINT, Toy().build(Toy().rows(3_000)))


@pytest.fixture
def version(tmp_path: Path, written: Version) -> Version:
    """A version with two shards, in a store of its own."""
    shutil.copytree(written.path, tmp_path / "store" / written.dataset / written.fingerprint)
    found = Store(tmp_path / "store", shard_bytes=20_000).find(written.dataset, written.fingerprint)
    assert found is not None
    return found


def test_a_version_is_pushed_and_pulled_with_the_same_bytes(
    loopback: LoopbackHub, version: Version, tmp_path: Path
) -> None:
    remote = _hub(loopback).push(version)
    assert (remote.repo, remote.revision) == (REPO, TAG)
    assert loopback.repos[REPO].private
    pulled = _hub(loopback).pull(_hub(loopback).at(REPO, FINGERPRINT), Store(tmp_path / "other"), "demo-instructions")
    assert _files(pulled.path) == _files(version.path)
    assert pulled.load()[:] == version.load()[:]
    loopback.forget_requests()
    assert _hub(loopback).pull(remote, Store(tmp_path / "other"), "demo-instructions") == pulled
    assert loopback.requests == []
    assert _hub(loopback).push(version) == remote
    assert loopback.uploads() == []
    assert _hub(loopback).find("instructions", "f" * 16) is None
    assert _hub(loopback).find("sft", FINGERPRINT) is None


def test_public_repositories_are_asked_for(loopback: LoopbackHub, version: Version) -> None:
    Hub("org/demo", private=False, endpoint=loopback.url, token="alice-write").push(version)
    assert not loopback.repos["org/demo-instructions"].private
    assert [collection["private"] for collection in loopback.collections.values()] == [False]


def test_a_next_version_replaces_the_rows_and_keeps_what_people_added(
    loopback: LoopbackHub, version: Version, tmp_path: Path, toy: Toy
) -> None:
    hub = _hub(loopback)
    hub.push(version)
    loopback.edit(REPO, "notes.txt", b"ours")
    before = loopback.files(REPO, TAG)
    other = Store(tmp_path / "store").write("demo-instructions", "f" * 16, toy.build(toy.rows(100)))
    hub.push(other)
    held = loopback.files(REPO)
    assert held["notes.txt"] == b"ours"
    assert {path: content for path, content in held.items() if path.startswith("data/")} == {
        path: content for path, content in _files(other.path).items() if path.startswith("data/")
    }
    assert loopback.files(REPO, TAG) == before


def test_a_card_edited_on_the_hub_is_kept(loopback: LoopbackHub, version: Version, tmp_path: Path, toy: Toy) -> None:
    hub = _hub(loopback)
    hub.push(version)
    text = loopback.files(REPO)["README.md"].decode()
    edited = text.replace("## Limits and biases", "## Limits and biases\n\nDon't use it for X.", 1)
    edited = edited.replace("- selfcodealign\n", "- selfcodealign\n- a-tag-of-mine\n", 1)
    loopback.edit(REPO, "README.md", edited.encode())
    other = Store(tmp_path / "store").write("demo-instructions", "f" * 16, toy.build(toy.rows(100)))
    hub.push(other)
    kept = loopback.files(REPO)["README.md"].decode()
    assert "Don't use it for X." in kept
    head, generated = (yaml.safe_load(card.split("---\n")[1]) for card in (kept, (other.path / CARD).read_text()))
    assert head["configs"] == generated["configs"]
    assert "a-tag-of-mine" in head["tags"]
    assert loopback.files(REPO)[".sca_hf/card.md"].decode() == (other.path / "README.md").read_text()
    pulled = hub.pull(hub.at(REPO, "f" * 16), Store(tmp_path / "second"), "demo-instructions")
    assert _files(pulled.path) == _files(other.path)


@pytest.mark.parametrize(
    ("edited", "kept"),
    [
        ("# Mine\n", "# Mine"),
        ("---\r\nlicense: mit\r\n---\r\n# Mine\r\n", "# Mine"),
        (
            "---\nconfigs:\n- config_name: a\n\n# mine\n- config_name: b\n\n# theirs\nlicense: mit\n---\n# Mine\n",
            "# theirs",
        ),
        ("---\nconfigs: [{config_name: a}]\nlicense: mit\n---\n# Mine\n", "license: mit"),
        ("---\nlicense: mit\n---\n---\n# Mine\n---\n", "---\n# Mine\n---\n"),
    ],
)
def test_whatever_a_person_makes_of_a_card_is_kept_with_the_files_it_leads_to(
    loopback: LoopbackHub, version: Version, tmp_path: Path, toy: Toy, edited: str, kept: str
) -> None:
    hub = _hub(loopback)
    hub.push(version)
    loopback.edit(REPO, "README.md", edited.encode())
    hub.push(Store(tmp_path / "store").write("demo-instructions", "f" * 16, toy.build(toy.rows(100))))
    text = loopback.files(REPO)["README.md"].decode()
    assert kept in text
    assert "# Mine" in text
    configs = yaml.safe_load(text.split("---\n")[1])["configs"]
    assert [config["config_name"] for config in configs] == ["default", "rejected"]


def test_data_that_no_run_put_there_stay(loopback: LoopbackHub, version: Version) -> None:
    HfApi(endpoint=loopback.url, token="alice-write").create_repo(REPO, repo_type="dataset")
    loopback.edit(REPO, "data/train.parquet", b"PAR1 mine PAR1")
    before = loopback.files(REPO)
    with pytest.raises(HubError, match="holds data that no run put there"):
        _hub(loopback).push(version)
    assert loopback.files(REPO) == before
    assert loopback.tags(REPO) == {}
    assert set(loopback.repos[REPO].branches) == {"main"}


def test_another_build_that_was_tagged_meanwhile_stays(
    loopback: LoopbackHub, version: Version, tmp_path: Path, toy: Toy
) -> None:
    first = _hub(loopback).push(version)
    rows = loopback.files(REPO)
    tags = loopback.repos[REPO].tags
    tags.clear()

    def tagged_by_others(method: str, path: str) -> None:
        if method == "POST" and "/tag/" in path:
            tags[TAG] = first.commit

    loopback.fault_on = tagged_by_others
    other = Store(tmp_path / "other").write("demo-instructions", FINGERPRINT, toy.build(toy.rows(50)))
    with pytest.raises(HubError, match="another build"):
        _hub(loopback).push(other)
    assert tags == {TAG: first.commit}
    assert loopback.files(REPO) == rows
    assert set(loopback.repos[REPO].branches) == {"main"}


def test_another_build_of_a_tag_is_shown_and_not_overwritten(
    loopback: LoopbackHub, version: Version, tmp_path: Path, toy: Toy
) -> None:
    hub = _hub(loopback)
    remote = hub.push(version)
    store = Store(tmp_path / "other")
    other = store.write("demo-instructions", FINGERPRINT, toy.build(toy.rows(50)))
    before = dict(loopback.tags(REPO))
    for attempt in (lambda: hub.push(other), lambda: hub.pull(remote, store, "demo-instructions")):
        with pytest.raises(HubError, match=r"another build.*On the Hub: manifest.*Here: manifest.*adopt") as caught:
            attempt()
        assert version.manifest_sha[:16] in str(caught.value)
        assert other.manifest_sha[:16] in str(caught.value)
    assert loopback.tags(REPO) == before
    store.remove(other)
    assert hub.pull(remote, store, "demo-instructions").manifest_sha == version.manifest_sha


def test_a_version_with_more_than_50_shards_is_one_commit_that_is_tagged(
    loopback: LoopbackHub, tmp_path: Path, toy: Toy
) -> None:
    columns = (Column("id", Value("string"), "a number"),)
    stage = dataclasses.replace(toy.stage(measured=False), adds=columns)
    rows = Dataset.from_dict({"id": [f"{number}" for number in range(60_000)], "reject_reason": [None] * 60_000})
    build = toy.build(rows.cast(stage.features({})), stage)
    version = Store(tmp_path / "many", shard_bytes=1).write("demo-instructions", FINGERPRINT, build)
    assert len(list((version.path / "data").iterdir())) == 60
    remote = _hub(loopback).push(version)
    commits = [asked.path.rsplit("/", 1)[1] for asked in loopback.requests if asked.kind == "POST commit"]
    assert commits == [f"push-{FINGERPRINT}-{version.manifest_sha[:8]}", "main"]
    pulled = _hub(loopback).pull(remote, Store(tmp_path / "other"), "demo-instructions")
    assert pulled.manifest_sha == version.manifest_sha


@pytest.mark.parametrize(
    ("token", "name", "message"),
    [
        (None, "alice/demo", "HF_TOKEN"),
        ("alice-read", "alice/demo", "write access"),
        ("bob-write", "alice/demo", "write access"),
        ("no-such-token", "alice/demo", "token is not valid"),
    ],
)
def test_a_push_without_the_right_token(
    loopback: LoopbackHub, version: Version, token: str | None, name: str, message: str
) -> None:
    hub = Hub(name, endpoint=loopback.url, token=token)
    with pytest.raises(HubError, match=message) as caught:
        hub.push(version)
    assert "\n" not in str(caught.value)
    with pytest.raises(HubError):
        hub.check_writable()
    assert loopback.repos == {}


@pytest.mark.parametrize(
    "name", ["demo", "alice/de mo", "alice/demo/x", "alice/-demo", "alice/de--mo", f"alice/{'x' * 90}"]
)
def test_a_name_that_the_hub_forbids(name: str) -> None:
    with pytest.raises(HubError, match="gives no name that the Hub allows"):
        Hub(name).check_name("instructions")


def test_what_is_not_there_to_be_pulled(loopback: LoopbackHub, version: Version, tmp_path: Path) -> None:
    hub = _hub(loopback)
    remote = hub.push(version)
    with pytest.raises(HubError, match=r"alice/demo-sft@v-1.*no such dataset repository"):
        hub.at("alice/demo-sft", "v-1")
    with pytest.raises(HubError, match="no such revision"):
        hub.at(REPO, "v-1")
    with pytest.raises(HubError, match=r"no such dataset repository.*HF_TOKEN"):
        Hub("alice/demo", endpoint=loopback.url).at(REPO, TAG)
    loopback.repos[REPO].private = False
    loopback.repos[REPO].gated = True
    with pytest.raises(HubError, match="gated"):
        Hub("alice/demo", endpoint=loopback.url, token="bob-write").pull(
            remote, Store(tmp_path / "other"), "demo-instructions"
        )
    assert Store(tmp_path / "other").versions() == []
    loopback.repos["alice/demo-sft"] = loopback.repos["alice/demo-plain"] = type(loopback.repos[REPO])("x", False)
    loopback.repos["alice/demo-sft"].add("main", "first", {})
    with pytest.raises(HubError, match="is not a version of a stage"):
        hub.at("alice/demo-sft", "main")


def test_bytes_changed_by_hand_are_not_taken(loopback: LoopbackHub, version: Version, tmp_path: Path) -> None:
    hub = _hub(loopback)
    remote = hub.push(version)
    name = sorted(path for path in loopback.files(REPO) if path.startswith("data/"))[0]
    loopback.edit(REPO, name, b"PAR1 something else PAR1")
    with pytest.raises(StoreError, match="was changed"):
        hub.pull(hub.at(REPO, "main"), Store(tmp_path / "other"), "demo-instructions")
    assert Store(tmp_path / "other").versions() == []
    assert hub.pull(remote, Store(tmp_path / "other"), "demo-instructions").counts == version.counts
    (version.path / name).write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="was changed"):
        hub.push(version)


def test_a_hub_that_is_not_there(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    with pytest.raises(HubError, match="can't be reached"):
        Hub("alice/demo", endpoint="http://127.0.0.1:9", token="alice-write").push(version)


def test_the_token_is_in_no_file_error_or_log(
    loopback: LoopbackHub, version: Version, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    monkeypatch.setattr(constants, "HF_DEBUG", True)  # has the client log each request as a curl command
    caplog.set_level(1)
    for name in [*logging.root.manager.loggerDict, "httpx2", "httpcore2", "huggingface_hub", "datasets"]:
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
        caplog.set_level(1, name)
    close_session()  # the next one logs
    _hub(loopback).push(version)
    for content in [*loopback.files(REPO).values(), *_files(version.path).values()]:
        assert b"alice-write" not in content
    for fault in (500, 429, 409, 400):
        loopback.forget_requests()
        loopback.fault_on = lambda method, path, fault=fault: fault
        with pytest.raises(HubError) as caught:
            _hub(loopback).push(version)
        seen: BaseException | None = caught.value
        while seen is not None:
            assert "alice-write" not in repr(seen)
            assert "alice-write" not in str(seen)
            seen = seen.__cause__ or seen.__context__
    assert {"httpcore2", "huggingface_hub"} <= {record.name.split(".")[0] for record in caplog.records}
    assert "curl" in caplog.text
    assert "alice-write" not in caplog.text


def _hub(loopback: LoopbackHub) -> Hub:
    return Hub("alice/demo", endpoint=loopback.url, token="alice-write")


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
