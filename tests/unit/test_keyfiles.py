"""Key files: who may read them, how they change, and that nothing else passes for one."""

from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path

import pytest

from sekisho import Reason, keyfiles
from sekisho.challenges import ChallengeKeys
from sekisho.keyfiles import DROP_AFTER, KeyFileError, KeyState

AT = 1_800_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "challenge.keys"


def states(path: Path) -> list[str]:
    return [str(key.state) for key in keyfiles.load(path).keys]


def test_made_for_its_owner_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        made = keyfiles.make(path, at=AT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyfiles.load(path) == made
    assert [key.state for key in made.keys] == [KeyState.CURRENT]
    assert made.keys[0].made.timestamp() == AT
    assert list(path.parent.iterdir()) == [path]  # nothing is left beside it


def test_two_files_never_share_a_key(tmp_path: Path) -> None:
    keys = [keyfiles.make(tmp_path / str(number)).keys[0] for number in range(20)]
    assert len({key.secret for key in keys}) == len({key.id for key in keys}) == 20


def test_never_replaces_a_file(path: Path) -> None:
    made = keyfiles.make(path)
    with pytest.raises(FileExistsError):
        keyfiles.make(path)
    assert keyfiles.load(path) == made


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666, 0o610, 0o601])
def test_a_file_that_others_can_open_is_refused(path: Path, mode: int) -> None:
    keyfiles.make(path)
    path.chmod(mode)
    for call in (keyfiles.load, keyfiles.rotate, keyfiles.stage, ChallengeKeys.load):
        with pytest.raises(KeyFileError, match=rf"others can open .* \(mode {mode:04o}\): run `chmod 600 "):
            call(path)
    path.chmod(0o400)
    assert len(keyfiles.load(path).keys) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(path: Path) -> None:
    keyfiles.make(path)
    os.chown(path, 12345, 12345)
    with pytest.raises(KeyFileError, match="belongs to user 12345"):
        keyfiles.load(path)


def test_a_folder_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises((KeyFileError, OSError)):
            keyfiles.load(tmp_path / name)


def test_systemd_credentials(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeyFileError, match=r"no challenge keys.*LoadCredential=sekisho\.challenge\.keys"):
        ChallengeKeys.load()
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    with pytest.raises(KeyFileError, match="no challenge keys"):
        ChallengeKeys.load()
    credential = folder / "sekisho.challenge.keys"
    made = keyfiles.make(credential)
    assert keyfiles.find() == credential
    credential.chmod(0o440)  # what an ACL's mask looks like
    assert ChallengeKeys.load().current == made.keys[0].id
    credential.chmod(0o444)
    with pytest.raises(KeyFileError, match="others can open"):
        ChallengeKeys.load()
    keyfiles.make(path)
    path.chmod(0o440)  # such a mode is a credential's privilege
    with pytest.raises(KeyFileError, match="others can open"):
        keyfiles.load(path)


def test_rotation_keeps_what_was_issued(path: Path) -> None:
    keyfiles.make(path, at=AT)
    before = ChallengeKeys.load(path)
    tokens = before.issue(2, profile=1, at=AT)
    keyfiles.rotate(path, at=AT + 10)
    assert states(path) == ["retired", "current"]
    after = ChallengeKeys.load(path)
    assert after.current != before.current
    assert after.check(tokens, profile=1, at=AT + 20).tolist() == [Reason.CHALLENGE_OK] * 2
    assert before.check(after.issue(1, profile=1, at=AT), profile=1, at=AT)[0] == Reason.CHALLENGE_KEY_UNKNOWN

    assert before.current is not None
    with pytest.raises(KeyFileError, match=rf"may be out for {DROP_AFTER - 5} s more"):
        keyfiles.drop(path, before.current, at=AT + 15)
    keyfiles.drop(path, before.current, at=AT + 10 + DROP_AFTER)
    assert states(path) == ["current"]
    assert ChallengeKeys.load(path).check(tokens, profile=1, at=AT)[0] == Reason.CHALLENGE_KEY_UNKNOWN


def test_a_staged_key_is_known_before_it_issues(path: Path) -> None:
    keyfiles.make(path, at=AT)
    keyfiles.stage(path, at=AT + 1)
    assert states(path) == ["current", "next"]
    with pytest.raises(KeyFileError, match="has a next key already"):
        keyfiles.stage(path)
    early = ChallengeKeys.load(path)  # on a machine that has not seen the rotation
    staged = next(key.id for key in keyfiles.load(path).keys if key.state is KeyState.NEXT)
    keyfiles.rotate(path, at=AT + 2)
    assert states(path) == ["retired", "current"]
    late = ChallengeKeys.load(path)
    assert late.current == staged
    assert early.check(late.issue(1, profile=1, at=AT), profile=1, at=AT)[0] == Reason.CHALLENGE_OK


def test_a_leaked_key_goes_at_once(path: Path) -> None:
    leaked = keyfiles.make(path, at=AT).keys[0].id
    with pytest.raises(KeyFileError, match="is the current one: rotate first"):
        keyfiles.drop(path, leaked, force=True)
    keyfiles.rotate(path, at=AT)
    keyfiles.drop(path, leaked, force=True, at=AT)
    assert leaked not in ChallengeKeys.load(path).ids
    with pytest.raises(KeyFileError, match=f"has no key {leaked:08x}; it has "):
        keyfiles.drop(path, leaked, force=True)


def test_a_file_holds_sixty_four_keys_at_most(path: Path) -> None:
    keyfiles.make(path)
    for _ in range(63):
        keyfiles.rotate(path)
    assert len(ChallengeKeys.load(path).ids) == 64
    with pytest.raises(KeyFileError, match="64 keys already: drop retired ones"):
        keyfiles.rotate(path)
    assert len(keyfiles.load(path).keys) == 64


def test_rotations_at_once_do_not_lose_a_key(path: Path) -> None:
    keyfiles.make(path)
    threads = [threading.Thread(target=keyfiles.rotate, args=(path,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(path) == ["retired"] * 12 + ["current"]


def test_a_symbolic_link_is_read_but_not_replaced(path: Path, tmp_path: Path) -> None:
    keyfiles.make(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert keyfiles.load(link) == keyfiles.load(path)
    with pytest.raises(KeyFileError, match="symbolic link"):
        keyfiles.rotate(link)
    assert link.is_symlink()


def test_a_write_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = keyfiles.make(path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            keyfiles.rotate(path)
    assert keyfiles.load(path) == made
    assert list(path.parent.iterdir()) == [path]


ID, MADE = r'id = "[0-9a-f]{8}"', r"made = \S+"


@pytest.mark.parametrize(
    ("pattern", "by", "says"),
    [
        ("format = 1", "format = 2", "format 2 is not known"),
        ("format = 1\n", "", "format None is not known"),
        ('purpose = "challenge"', 'purpose = "pseudonym"', "purpose must be one of challenge"),
        ('purpose = "challenge"', "purpose = 1", "purpose must be one of challenge"),
        ('purpose = "challenge"', 'purpose = "challenge"\nspare = 1', "it must have format, purpose and"),
        (ID, 'id = "12345"', "eight lower-case hexadecimal digits"),
        (ID, 'id = "9F3A01C2"', "eight lower-case hexadecimal digits"),
        (ID, "id = 12345678", "eight lower-case hexadecimal digits"),
        (ID, "", "key 1 must have id, made, secret, state"),
        ('state = "current"', 'state = "retired"', "key 1 must have id, made, retired, secret, state"),
        ('state = "current"', 'state = "old"', "state must be one of next, current, retired"),
        (MADE, "made = 2026-01-01", "a time with its zone"),
        (MADE, "made = 2026-01-01T00:00:00", "a time with its zone"),
        (r'secret = ".', 'secret = "', "secret must be 32 bytes"),
        (r'secret = "', 'secret = "A', "secret must be 32 bytes"),
        (r'secret = ".', 'secret = "!', "secret must be 32 bytes"),
        (r'secret = ".*"', 'secret = "' + "A" * 42 + 'B"', "secret must be 32 bytes"),  # spare bits: a second spelling
        (r'secret = ".*"', 'secret = "' + "A" * 43 + '"', "all zeros"),
        (r'secret = ".*"', "secret = 5", "secret must be 32 bytes"),
        (r"(?s)\[\[key\]\].*", "", "it must have format, purpose and"),
        (r"(?s)\[\[key\]\].*", "key = []", r"1 to 64 \[\[key\]\]"),
        (r"(?s)\[\[key\]\].*", "key = [1]", r"1 to 64 \[\[key\]\]"),
        (r"(?s)(\[\[key\]\].*)", r"\1\1", "two keys have one id"),
        (r"(?s)^.*$", "\0\1\2", "not TOML"),
        (r"(?s)^.*$", "secret", "not TOML"),
        (r"(?s)$", "#" * 70_000, "larger than 65536 bytes"),
    ],
)
def test_one_fault_one_message(path: Path, pattern: str, by: str, says: str) -> None:
    keyfiles.make(path)
    good = path.read_text()
    secret = re.search(r'secret = "(.*)"', good)
    assert secret is not None
    bad, count = re.subn(pattern, by, good, count=1)
    assert count == 1
    path.write_text(bad)
    with pytest.raises(KeyFileError, match=says) as caught:
        keyfiles.load(path)
    assert secret[1] not in str(caught.value)
    assert str(path) in str(caught.value)


def test_two_current_keys_are_refused(path: Path) -> None:
    keyfiles.make(path)
    keyfiles.rotate(path)
    text = re.sub(r"retired = .*\n", "", path.read_text()).replace('"retired"', '"current"')
    path.write_text(text)
    with pytest.raises(KeyFileError, match="two keys are current"):
        keyfiles.load(path)


def test_secrets_are_not_shown(path: Path) -> None:
    made = keyfiles.make(path)
    assert repr(made.keys[0].secret) not in repr(made)
