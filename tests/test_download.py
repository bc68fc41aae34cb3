"""`infill-ls models pull`: against a hub on this machine. Nothing leaves the loopback interface."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

from lsp_server.models.catalogue import CatalogueEntry
from lsp_server.models.download import DownloadError, default_folder, installed, pull
from tests.hub import Hub, etag, serving

REPOSITORY, FILE = "someone/model-gguf", "model-Q8_0.gguf"
WEIGHTS = random.Random(1).randbytes(300_000)
CONFIG = b'{"model_type": "gpt_neox"}'


def entry(*files: str, **more: object) -> CatalogueEntry:
    described = {"title": "Model 1B", "licence": "OpenRAIL-M", "family": "starcoder", "context": 2048, "size": 1}
    return CatalogueEntry(
        name="model-1b", runs="llama.cpp", repository=REPOSITORY, files=files or (FILE,), **{**described, **more}
    )


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub({REPOSITORY: {FILE: WEIGHTS, "config.json": CONFIG}})) as hub:
        yield hub


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No token and no cache of the person who runs the tests, no waiting between two tries, and no large chunks."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(file_download.time, "sleep", lambda s: None)
    monkeypatch.delenv("HF_TOKEN", raising=False)


def pulled(hub: Hub, folder: Path, model: CatalogueEntry | None = None) -> Path:
    return pull(model or entry(), folder, endpoint=hub.url)


def refusal(hub: Hub, folder: Path, model: CatalogueEntry | None = None) -> str:
    """The one sentence that a failed pull ends with; nothing with the model's name is left behind."""
    with pytest.raises(DownloadError) as caught:
        pulled(hub, folder, model)
    assert "\n" not in str(caught.value)
    assert not list(folder.rglob(FILE))
    return str(caught.value)


def part(folder: Path, content: bytes) -> Path:
    """What an earlier pull left of the file."""
    path = folder / "someone--model-gguf" / f"{FILE}.{etag(WEIGHTS)[:12]}.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


# --- what goes right ---


def test_a_model_is_downloaded_from_where_the_hub_keeps_large_files(hub, tmp_path):
    path = pulled(hub, tmp_path)
    assert path == tmp_path / "someone--model-gguf" / FILE
    assert path.read_bytes() == WEIGHTS
    assert [request.host for request in hub.downloads()] == ["hub", "store"]
    assert os.listdir(path.parent) == [FILE]


def test_a_checkpoint_comes_with_its_small_files(hub, tmp_path):
    path = pulled(hub, tmp_path, entry(FILE, "config.json"))
    assert path.with_name("config.json").read_bytes() == CONFIG


def test_a_model_that_is_here_is_not_asked_for_again(hub, tmp_path):
    assert installed(entry(), tmp_path) is None
    path = pulled(hub, tmp_path)
    hub.requests.clear()
    assert pulled(hub, tmp_path) == installed(entry(), tmp_path) == path
    assert hub.requests == []


def test_a_model_in_the_cache_of_the_hubs_own_tools_is_used_from_there(hub, tmp_path):
    from huggingface_hub import hf_hub_download

    cached = hf_hub_download(REPOSITORY, FILE, endpoint=hub.url)
    assert pulled(hub, tmp_path / "ours") == Path(cached)


def test_the_progress_is_shown(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_POSITION", "-1")  # as on a terminal
    pulled(hub, tmp_path)
    assert FILE in capsys.readouterr().err


# --- resuming ---


def test_a_connection_that_is_cut_is_taken_up_where_it_ended(hub, tmp_path):
    hub.cuts = [100_000, 50_000]
    assert pulled(hub, tmp_path).read_bytes() == WEIGHTS
    starts = [request.first_byte for request in hub.downloads() if request.host == "store"]
    assert starts == [None, 100_000, 150_000]


def test_a_pull_goes_on_with_what_an_earlier_one_left(hub, tmp_path):
    part(tmp_path, WEIGHTS[:123_456])
    assert pulled(hub, tmp_path).read_bytes() == WEIGHTS
    assert hub.downloads()[-1].first_byte == 123_456


def test_what_is_left_when_the_connection_stays_bad_serves_the_next_pull(hub, tmp_path):
    hub.cuts = [1000] + [0] * 6
    assert "pull again, which goes on where it ended" in refusal(hub, tmp_path)
    hub.cuts.clear()
    assert pulled(hub, tmp_path).read_bytes() == WEIGHTS
    assert hub.downloads()[-1].first_byte == 1000


def test_a_server_that_ignores_ranges_sends_it_all_again(hub, tmp_path):
    part(tmp_path, WEIGHTS[:123_456])
    hub.ignores_ranges = True
    assert pulled(hub, tmp_path).read_bytes() == WEIGHTS


def test_more_than_there_is_begins_anew(hub, tmp_path):
    part(tmp_path, WEIGHTS + b"more")
    assert pulled(hub, tmp_path).read_bytes() == WEIGHTS


def test_the_beginning_of_another_version_is_not_gone_on_with(hub, tmp_path):
    part(tmp_path, WEIGHTS[:1000])
    hub.files[REPOSITORY][FILE] = newer = WEIGHTS[::-1]
    assert pulled(hub, tmp_path).read_bytes() == newer


# --- checksums ---


def test_a_wrong_checksum_is_noticed_and_the_file_removed(hub, tmp_path):
    hub.damages = True
    assert "wrong checksum, so it was removed; pull it again" in refusal(hub, tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_a_small_file_is_checked_as_well(hub, tmp_path):
    hub.damages = True
    with pytest.raises(DownloadError, match=r"config.json came with a wrong checksum"):
        pulled(hub, tmp_path, entry("config.json"))


def test_the_checksum_of_the_catalogue_counts_more_than_the_hubs(hub, tmp_path):
    assert "wrong checksum" in refusal(hub, tmp_path, entry(sha256="0" * 64))
    assert pulled(hub, tmp_path, entry(sha256=etag(WEIGHTS)))


# --- licences and tokens ---


def test_a_gated_model_says_where_its_licence_is_accepted_and_how_to_show_it(hub, tmp_path):
    hub.gated.add(REPOSITORY)
    said = refusal(hub, tmp_path)
    assert f"accept it at {hub.url}/{REPOSITORY}" in said
    assert "set HF_TOKEN" in said and "`hf auth login`" in said


def test_an_account_that_did_not_accept_the_licence_is_told_the_same(hub, tmp_path, monkeypatch):
    hub.gated.add(REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "accept its licence (OpenRAIL-M)" in refusal(hub, tmp_path)


def test_the_token_opens_a_gated_model_and_is_shown_to_the_hub_alone(hub, tmp_path, monkeypatch):
    hub.gated.add(REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert pulled(hub, tmp_path).read_bytes() == WEIGHTS
    assert {request.authorization for request in hub.requests if request.host == "store"} == {None}


@pytest.mark.parametrize("token", [None, "hf_good"])
def test_a_repository_that_is_not_there_is_named(hub, tmp_path, monkeypatch, token):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.files.clear()
    assert f"{hub.url}/{REPOSITORY} is not there, or is private, or HF_TOKEN is wrong" in refusal(hub, tmp_path)


# --- what else goes wrong ---


def test_a_file_that_is_gone_is_named(hub, tmp_path):
    assert "no longer has gone.gguf; look there" in refusal(hub, tmp_path, entry("gone.gguf"))


@pytest.mark.parametrize("status", [403, 500])
def test_another_refusal_is_told_with_its_number(hub, tmp_path, status):
    hub.status = status
    assert f"refused someone/model-gguf (HTTP {status}); try again later" in refusal(hub, tmp_path)


def test_a_hub_that_cannot_be_reached_is_named(hub, tmp_path):
    hub.url = "http://127.0.0.1:9"
    assert "http://127.0.0.1:9 cannot be reached" in refusal(hub, tmp_path)


def test_offline_mode_is_respected(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set; unset it to download" in refusal(hub, tmp_path)
    assert hub.requests == []


def test_room_is_looked_for_before_anything_is_downloaded(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**8))
    said = refusal(hub, tmp_path)
    assert "0.0 GB more" in said and "0.1 GB are free; make room" in said
    assert hub.downloads() == []


def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_is_lost(hub, tmp_path, monkeypatch):
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lsp_server.models.download.http_get", full)
    assert "the disk is full; make room and pull model-1b again" in refusal(hub, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(hub, tmp_path):
    (tmp_path / "models").write_text("")
    assert "models/someone--model-gguf cannot be written (Not a directory)" in refusal(hub, tmp_path / "models")


# --- the environment of the Hugging Face tools ---


@pytest.mark.parametrize(("offline", "says"), [("0", "pulled"), ("1", "HF_HUB_OFFLINE is set")])
def test_the_address_and_the_offline_mode_come_from_the_environment(hub, tmp_path, offline, says):
    script = (
        "import sys; from pathlib import Path; from lsp_server.models import download, catalogue\n"
        "entry = catalogue.CatalogueEntry(name='m', title='M', runs='llama.cpp', repository=sys.argv[1],"
        " files=(sys.argv[2],), size=1, licence='', family='starcoder', context=1)\n"
        "try: print('pulled', download.pull(entry, Path(sys.argv[3])))\n"
        "except download.DownloadError as error: print(error)\n"
    )
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": offline, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", script, REPOSITORY, FILE, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert says in done.stdout


def test_models_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder().parts[-2:] == ("infill-ls", "models")
