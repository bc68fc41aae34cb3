"""What never leaves the machine, by its path."""

from __future__ import annotations

import pytest

from lsp_server.privacy import NEVER_SENT, is_excluded


@pytest.mark.parametrize(
    "path",
    [
        "/home/ada/shop/.env", "/home/ada/shop/.env.production", "config/prod.env", "C:\\Users\\ada\\shop\\.ENV",
        "/home/ada/.ssh/config", "/home/ada/.ssh/id_ed25519", "deploy/server.pem", "deploy/SERVER.KEY",
        "/home/ada/.netrc",
        "/home/ada/.aws/credentials", "/home/ada/.aws/sso/cache/x.json", "config/credentials.yml", "secrets/db.py",
        "app/secrets.toml", "google-credentials.json", "terraform/prod.tfvars", "/home/ada/.kube/config", ".npmrc",
    ],
)  # fmt: skip
def test_keys_and_credentials_are_excluded(path):
    assert is_excluded(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "/home/ada/shop/cart.py", "environment.py", "src/env.py", "keys.py", "monkey.py", "src/credentials_form.py",
        "secretary.py", ".env.example", "id_ed25519.pub", "kube/config.py", "tokenizer.json", "docs/env.md",
    ],
)  # fmt: skip
def test_code_is_not(path):
    assert not is_excluded(path)


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("*.sql", "db/dump.sql", True),
        ("*.sql", "db/dump.sql.py", False),
        ("private", "src/private/model.py", True),
        ("private/", "src/private/model.py", True),
        ("private", "src/private.py", False),
        ("src/gen/*.py", "/home/ada/shop/src/gen/a.py", True),
        ("src/gen/*.py", "/home/ada/shop/src/gen/deep/a.py", False),
        ("src/**/a.py", "src/gen/deep/a.py", True),
        ("src/**/a.py", "src/a.py", True),
        ("a?.py", "ab.py", True),
        ("a?.py", "a/.py", False),
        ("naïve*", "naïve.py", True),
        ("[draft]*", "[draft] plan.md", True),
    ],
)
def test_the_users_own_patterns(pattern, path, excluded):
    assert is_excluded(path, (pattern,)) is excluded


def test_the_last_pattern_that_fits_decides():
    patterns = (*NEVER_SENT, "!.env", "*.py", "!cart.py")
    assert [is_excluded(path, patterns) for path in (".env", "x.py", "cart.py", "server.key")] == [
        False,
        True,
        False,
        True,
    ]
