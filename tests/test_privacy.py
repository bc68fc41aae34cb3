"""What never leaves the machine, by its path."""

from __future__ import annotations

from time import process_time

import pytest

from lsp_server.privacy import NEVER_SENT, is_excluded, path_in


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


@pytest.mark.parametrize(
    "uri",
    [
        "untitled:.env",
        "git:/home/ada/shop/.env?%7B%22ref%22%3A%22HEAD%22%7D",
        "vscode-remote://ssh-remote%2Bgpu/home/ada/shop/.env",
        "vscode-vfs://github/ada/shop/%2Eenv#L1",
    ],
)
def test_a_file_that_is_not_on_this_machines_disk_has_a_path_all_the_same(uri):
    assert is_excluded(path_in(uri))


@pytest.mark.parametrize("uri", ["", "http://[::1", "\0", "file:///a\0/tokens.py", "tokens.py"])
def test_what_is_no_address_is_no_error_either(uri):
    assert not is_excluded(path_in(uri))


@pytest.fixture
def shop(tmp_path):
    """A repository that keeps some of its files out of git."""
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / "deploy").mkdir()
    (tmp_path / ".gitignore").write_text(
        "# ours\n/deploy/*-prod.yml\n*Keys.json\nbuild/\nlocal_settings.py\n!prod.key\n"
    )
    (tmp_path / "deploy" / ".gitignore").write_text("passwords*.txt  \n!passwords.txt\n")
    (tmp_path / ".git" / "info" / "exclude").write_text("mine/auth.toml\n")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "deploy/db-prod.yml",
        "app/ApiKeys.json",
        "shop/local_settings.py",
        "build/out/tokens.py",
        "deploy/passwords.old.txt",
        "deploy/passwords.txt",
        "mine/auth.toml",
    ],
)
def test_an_ignored_file_that_sounds_like_a_secret_is_excluded(shop, name):
    assert is_excluded(str(shop / name))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("build/cart.py", "ignored, and no secret"),
        ("app/tokens.py", "sounds like one, and is in the repository for all to read"),
        ("passwords.old.txt", "ignored in another folder"),
        ("monkey/tokenizer.py", "nothing but letters in common"),
    ],
)
def test_other_files_of_a_repository_are_not(shop, name, why):
    assert not is_excluded(str(shop / name)), why


def test_only_names_within_the_repository_count(tmp_path):
    shop = tmp_path / "private" / "shop"
    (shop / ".git").mkdir(parents=True)
    (shop / ".gitignore").write_text("build/\n")
    assert not is_excluded(str(shop / "build" / "cart.py"))


def test_a_repository_never_takes_anything_off_the_list(shop):
    assert is_excluded(str(shop / "prod.key"))


def test_the_user_may(shop):
    path = str(shop / "app" / "ApiKeys.json")
    assert not is_excluded(path, (*NEVER_SENT, "!ApiKeys.json"))


def test_a_file_outside_of_any_repository_has_nobody_to_ignore_it(tmp_path):
    assert not is_excluded(str(tmp_path / "tokens.py"))


def test_no_pattern_takes_long_whoever_wrote_it(shop):
    (shop / ".gitignore").write_text("*a" * 60 + "b\n" + "**/a/" * 60 + "b\n")
    started = process_time()
    assert not is_excluded(str(shop / "/".join("a" * 60) / ("token-" + "a" * 200)))
    assert process_time() - started < 0.5
