"""Files that are never sent to a server nor used as context: keys, credentials, and what the user adds.

Patterns are globs, read as git reads them in an ignore file: one without a slash names a file or a folder anywhere, one
with a slash a path or its end, `*` stays within a name, `**` does not, and `!` takes an exception back out. The last
pattern that fits decides. Case does not matter, since file systems differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

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


def is_excluded(path: str, patterns: Iterable[str] = NEVER_SENT) -> bool:
    """Whether the file at `path`, absolute or relative, with either kind of slash, must not leave the machine."""
    plain = path.replace("\\", "/").strip("/")
    excluded = False
    for pattern in patterns:
        takes_back = pattern.startswith("!")
        if excluded == takes_back and _compiled(pattern.removeprefix("!")).fullmatch(plain):
            excluded = not takes_back
    return excluded


@lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Fits a whole path: any folders above, and whatever is below where a folder is named."""
    body = "".join(_GLOBS.get(part, re.escape(part)) for part in _PARTS.findall(pattern.strip("/")))
    return re.compile(rf"(?is)(?:.*/)?{body}(?:/.*)?")


_PARTS = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|[^*?/]+|/")
_GLOBS = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
