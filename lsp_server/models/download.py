"""Getting a model of the catalogue: the only module that reaches for the hub, and only when `models pull` is called.

What was downloaded before a connection or a session ended stays and is gone on with. A file gets its name once its
checksum is right, so that a file with its name is whole.

The hub's address, token and offline mode are those of the Hugging Face tools: HF_ENDPOINT, HF_TOKEN (or
`hf auth login`) and HF_HUB_OFFLINE.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import platformdirs
from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, and not exported

from lsp_server.errors import EngineError
from lsp_server.models.catalogue import CatalogueEntry

HASH_CHUNK_BYTES = 1 << 20
# What else may be written to the disk meanwhile.
SPARE_BYTES = 100 * 10**6
RANGE_NOT_SATISFIABLE = 416
UNAUTHORIZED, FORBIDDEN = 401, 403
# Of the HTTP library under the hub's, which names it without exporting it.
FAILED_ON_THE_WAY: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]


class DownloadError(EngineError):
    """A model could not be had."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Remote:
    """One file as the hub has it now."""

    name: str
    url: str
    etag: str  # its SHA-256, or the SHA-1 that git gives it where it is small
    n_bytes: int | None


def default_folder() -> Path:
    return Path(platformdirs.user_cache_dir("infill-ls", appauthor=False)) / "models"


def installed(entry: CatalogueEntry, folder: Path | None = None) -> Path | None:
    """The model's file if the entry is whole here: where `pull` puts it, or in the cache of the Hugging Face tools."""
    ours = [_folder_of(entry, folder) / name for name in entry.files]
    if all(path.exists() for path in ours):
        return ours[0]
    cached = [try_to_load_from_cache(entry.repository, name) for name in entry.files]
    found = [Path(path) for path in cached if isinstance(path, str)]
    return found[0] if len(found) == len(entry.files) else None


def pull(entry: CatalogueEntry, folder: Path | None = None, endpoint: str | None = None) -> Path:
    """Download the files of an entry that are not here yet, with a progress bar on stderr, and return the model's.

    `endpoint`: the hub's address, where it is not the one that the Hugging Face tools use. Raises DownloadError, one
    sentence.
    """
    if here := installed(entry, folder):
        return here
    target = _folder_of(entry, folder)
    with _sentences(entry, endpoint or constants.ENDPOINT):
        target.mkdir(parents=True, exist_ok=True)
        for name in entry.files:
            if not (target / name).exists():
                _fetch(entry, name, target / name, endpoint)
    return target / entry.files[0]


def _folder_of(entry: CatalogueEntry, folder: Path | None) -> Path:
    return (folder or default_folder()) / entry.repository.replace("/", "--")


def _fetch(entry: CatalogueEntry, name: str, target: Path, endpoint: str | None) -> None:
    remote = _ask(entry.repository, name, endpoint)
    # Named after the content, so that a newer version on the hub is not glued to the beginning of an older one.
    part = target.with_name(f"{name}.{remote.etag[:12]}.part")
    _check_room(part, remote)
    try:
        _download(remote, part)
    except HfHubHTTPError as error:
        if error.response.status_code != RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()  # more is here than there ever was there
        _download(remote, part)
    sha256 = entry.sha256 if name == entry.files[0] else ""
    if not _is_right(part, sha256 or remote.etag):
        part.unlink()
        raise DownloadError(f"{name} came with a wrong checksum, so it was removed; pull it again")
    os.replace(part, target)


def _ask(repository: str, name: str, endpoint: str | None) -> _Remote:
    metadata = get_hf_file_metadata(hf_hub_url(repository, name, endpoint=endpoint), endpoint=endpoint)
    if not metadata.etag:
        raise DownloadError(f"the hub did not say what {name} is; check HF_ENDPOINT and any proxy on the way")
    url = hf_hub_url(repository, name, revision=metadata.commit_hash, endpoint=endpoint)
    return _Remote(name, url, metadata.etag, metadata.size)


def _check_room(part: Path, remote: _Remote) -> None:
    n_here = part.stat().st_size if part.exists() else 0
    missing = (remote.n_bytes or 0) - n_here
    free = shutil.disk_usage(part.parent).free
    if missing + SPARE_BYTES > free:
        raise DownloadError(
            f"{remote.name} needs {missing / 1e9:.1f} GB more in {part.parent}, and {free / 1e9:.1f} GB are free;"
            " make room, or choose another folder with --folder"
        )


def _download(remote: _Remote, part: Path) -> None:
    part.touch()
    with part.open("r+b") as file:
        n_here = file.seek(0, os.SEEK_END)
        http_get(
            remote.url,
            file,
            resume_size=n_here,
            headers=build_hf_headers(),
            expected_size=remote.n_bytes,
            displayed_filename=remote.name,
        )


def _is_right(part: Path, checksum: str) -> bool:
    """Against SHA-256 or, for the 40 digits that git uses, SHA-1 over a header and the content."""
    algorithm: _Hash = hashlib.sha256()
    if len(checksum) == 40:
        algorithm = hashlib.sha1(b"blob %d\0" % part.stat().st_size, usedforsecurity=False)
    with part.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            algorithm.update(chunk)
    return algorithm.hexdigest() == checksum


@contextmanager
def _sentences(entry: CatalogueEntry, endpoint: str) -> Iterator[None]:
    """Whatever goes wrong, in one sentence that says what to do."""
    page = f"{endpoint}/{entry.repository}"
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise DownloadError(f"{entry.name} is not here, and HF_HUB_OFFLINE is set; unset it to download") from error
    except HfHubHTTPError as error:
        raise DownloadError(_answered(entry, page, error)) from error
    except FAILED_ON_THE_WAY as error:
        raise DownloadError(f"{endpoint} cannot be reached ({_first_line(error)}); {GO_ON}") from error
    except OSError as error:
        raise DownloadError(_failed_here(entry, error)) from error


GO_ON = "check the connection and pull again, which goes on where it ended"


def _answered(entry: CatalogueEntry, page: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if isinstance(error, GatedRepoError) or (entry.gated and status in (UNAUTHORIZED, FORBIDDEN)):
        return (
            f"{entry.title} is given only to those who accept its licence ({entry.licence}): accept it at {page},"
            " then set HF_TOKEN to a token of that account, or run `hf auth login`, and pull again"
        )
    if isinstance(error, EntryNotFoundError):
        return f"{page} no longer has {' or '.join(entry.files)}; look there for a file that took its place"
    if isinstance(error, RepositoryNotFoundError) or status == UNAUTHORIZED:
        return f"{page} is not there, or is private, or HF_TOKEN is wrong; open it in a browser and check the token"
    return f"the hub refused {entry.repository} (HTTP {status}); try again later"


def _failed_here(entry: CatalogueEntry, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk is full; make room and pull {entry.name} again, which goes on where it ended"
    if error.errno is None:  # http_get's own, for fewer bytes than there should be
        return f"the connection was cut before {entry.name} was whole; {GO_ON}"
    return f"{error.filename or 'the file'} cannot be written ({error.strerror}); check the folder and its permissions"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
