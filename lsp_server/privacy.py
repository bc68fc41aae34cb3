"""Files that are never sent to a server nor used as context: keys, credentials, ignored secrets, what the user adds.

Patterns are globs, read as git reads them in an ignore file: one without a slash names a file or a folder anywhere, one
with a slash a path or its end, `*` stays within a name, `**` does not, and `!` takes an exception back out. The last
pattern that fits decides. Case does not matter, since file systems differ.

Where no pattern fits, a name that sounds like a secret is looked up in the repository: what it keeps out of git stays
here as well. A repository's ignore files only ever add to what is excluded, whoever wrote them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

NEVER_SENT = (
    ".env", ".env.*", ".envrc", "*.env", "!.env.example", "!.env.sample", "!.env.template",
    "*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.asc", "*.gpg", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "!*.pub", ".ssh/**", ".gnupg/**", "known_hosts",
    ".netrc", "_netrc", ".pgpass", ".my.cnf", ".git-credentials", ".npmrc", ".yarnrc.yml", ".pypirc", ".htpasswd",
    ".aws/**", ".azure/**", ".config/gcloud/**", ".kube/config", ".docker/config.json", ".dockercfg", "kubeconfig*",
    "credentials", "credentials.*", "*credentials.json", "secret", "secret.*", "secrets", "secrets.*", "*.secret",
    "*.secrets", "service-account*.json", "client_secret*.json", "token.json", ".vault-token", "*.tfvars", "*.tfstate",
    "*.tfstate.*", "local.settings.json", "master.key", "wp-config.php",
)  # fmt: skip


# Words of names that people keep out of git for what is in the file.
SECRET_WORDS = frozenset((
    "secret", "secrets", "password", "passwords", "passwd", "passphrase", "credential", "credentials", "creds", "token",
    "tokens", "key", "keys", "apikey", "apikeys", "private", "auth", "oauth", "vault", "cert", "certs", "certificate",
    "certificates", "adminsdk", "local", "prod", "production",
))  # fmt: skip
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
MAX_IGNORE_BYTES = 1 << 18


def is_excluded(path: str, patterns: Iterable[str] = NEVER_SENT) -> bool:
    """Whether the file at `path`, absolute or relative, with either kind of slash, must not leave the machine.

    Asked of the file at the cursor, and to be asked of each other file whose text might become part of a prompt. Reads
    ignore files where the name sounds like a secret.
    """
    said = _said(_names(path), tuple(patterns))
    return is_ignored_secret(path) if said is None else said


def path_in(uri: str) -> str:
    """The path in an address of any scheme: editors also open unsaved files, and those of other machines."""
    try:
        return unquote(urlsplit(uri).path)
    except ValueError:  # no address at all
        return uri


@lru_cache(1024)  # the same few files are asked for at every keystroke
def _said(names: tuple[str, ...], patterns: tuple[str, ...]) -> bool | None:
    """What the last pattern that fits says; None where none fits."""
    fitting = (pattern for pattern in reversed(patterns) if _fits(names, pattern.removeprefix("!")))
    last = next(fitting, None)
    return None if last is None else not last.startswith("!")


def is_ignored_secret(path: str) -> bool:
    """Whether the name sounds like a secret, and the repository around the file keeps it out of git."""
    if not _sounds_secret(path):  # most do not, and nothing is read for them
        return False
    file = Path(path).absolute()
    root = next((folder for folder in file.parents if os.path.exists(folder / ".git")), None)
    if root is None or not _sounds_secret(str(file.relative_to(root))):
        return False
    folders = (folder for folder in file.parents if folder.is_relative_to(root))
    ignores = [(root, root / ".git" / "info" / "exclude"), *((folder, folder / ".gitignore") for folder in folders)]
    return any(
        _fits(_names(str(file.relative_to(folder))), pattern) for folder, at in ignores for pattern in _patterns(at)
    )


@lru_cache(1024)
def _sounds_secret(path: str) -> bool:
    return any(word.lower() in SECRET_WORDS for word in WORD.findall(path))


def _patterns(ignore_file: Path) -> Iterator[str]:
    try:
        with ignore_file.open("rb") as file:
            lines = file.read(MAX_IGNORE_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return
    # Exceptions are left out: no repository can make a secret less of one.
    yield from (line for line in map(str.strip, lines) if line and line[0] not in "#!")


def _names(path: str) -> tuple[str, ...]:
    return tuple(path.replace("\\", "/").strip("/").lower().split("/"))


def _fits(names: Sequence[str], pattern: str) -> bool:
    """Any folders may stand above, and anything below where a folder is named.

    One step for each name in the pattern, with all the places where the path may be by then, so that no pattern takes
    long, whoever wrote it.
    """
    reached = set(range(len(names)))
    for glob in _names(pattern):
        if glob == "**":
            reached = set(range(min(reached), len(names) + 1))
        else:
            glob = glob.replace("[", "[[]")
            reached = {i + 1 for i in reached if i < len(names) and fnmatchcase(names[i], glob)}
        if not reached:
            return False
    return True
