"""Challenges: printable tokens with a MAC, issued in bulk, checked without a table (docs/ARCHITECTURE.md).

The format stands in native/include/sekisho.h, "challenges and claims". A token says key, tenant, audience, profile,
when it was issued and until when it holds, 128 random bits and, where it is bound to one, a transaction's digest. Its
MAC also covers an opaque binding (a session, a QR id) that is not in it: whoever checks it must know it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sekisho import keyfiles
from sekisho._native import check, ffi, lib
from sekisho.batch import Column, ColumnLike, absent
from sekisho.reasons import Reason

__all__ = ["CHALLENGE_SIZE", "LIFETIME_DEFAULT", "LIFETIME_MAX", "ChallengeKeys"]

CHALLENGE_SIZE: Final[int] = lib.SEKI_CHALLENGE_SIZE  # characters
KEY_SIZE: Final[int] = lib.SEKI_CHALLENGE_KEY_SIZE  # bytes
LIFETIME_DEFAULT: Final[int] = lib.SEKI_CHALLENGE_LIFETIME_DEFAULT  # seconds
LIFETIME_MAX: Final[int] = lib.SEKI_CHALLENGE_LIFETIME_MAX  # seconds


class ChallengeKeys:
    """MAC keys by id, one of them current. Never changes; a rotation makes another.

    Args:
        secrets: key id (0 to 2**32 - 1) to secret of 32 bytes; 1 to 64 of them.
        current: the id that issues; None for keys that only check.

    Raises:
        ValueError: no key, too many, a secret of another size or all zeros, or a current id that is not among them.
    """

    def __init__(self, secrets: Mapping[int, bytes], *, current: int | None = None) -> None:
        if any(len(secret) != KEY_SIZE for secret in secrets.values()):
            raise ValueError(f"a challenge key has {KEY_SIZE} bytes")
        if current is not None and current not in secrets:
            raise ValueError(f"the current key {current} is not among {sorted(secrets)}")
        if not all(0 <= number < 2**32 for number in secrets):
            raise ValueError("a key id is 0 to 4294967295")
        out = ffi.new("seki_challenge_keys **")
        ids = ffi.new("uint32_t[]", list(secrets))
        check(
            lib.seki_challenge_keys_new(
                ids, b"".join(secrets.values()), len(secrets), -1 if current is None else current, out
            ),
            f"making a set of {len(secrets)} challenge keys (1 to {lib.SEKI_CHALLENGE_KEYS_MAX}, none all zeros)",
        )
        self.native: Any = ffi.gc(out[0], lib.seki_challenge_keys_free)
        self.ids = frozenset(secrets)
        self.current = current

    @classmethod
    def generate(cls) -> ChallengeKeys:
        """A new random key that lives as long as this object: for tests, and for one process alone."""
        return cls({1: secrets.token_bytes(KEY_SIZE)}, current=1)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> ChallengeKeys:
        """The keys of a key file: the current one issues, all of them check.

        Args:
            path: a file made by `sekisho keys make`; None: the one that systemd handed over (`keyfiles.find`).

        Raises:
            KeyFileError: there is none, others can read it, or its form is wrong. The message says what to do.
            OSError: it cannot be opened.
        """
        file = keyfiles.load(keyfiles.find() if path is None else path)
        return cls(file.secrets(), current=None if file.current is None else file.current.id)

    def issue(
        self,
        rows: int,
        *,
        profile: int,
        tenant: int = 0,
        audience: str = "",
        lifetime: int = LIFETIME_DEFAULT,
        bindings: ColumnLike | None = None,
        transactions: ColumnLike | None = None,
        random: bytes | None = None,
        at: int | None = None,
    ) -> NDArray[np.bytes_]:
        """Issue `rows` challenges.

        Args:
            rows: how many.
            profile: `Profile.id32` of the profile they are for.
            tenant, audience: as the `Verifier` that will check them has.
            lifetime: seconds, 1 to 300.
            bindings: what each is bound to, up to 1,024 bytes; None: nothing.
            transactions: SHA-256 of the transaction each is for (32 bytes), or empty; None: none.
            random: rows * 16 bytes, for tests; None: from the system.
            at: seconds since 1970-01-01T00:00:00Z; None: now.

        Returns:
            numpy array of `rows` tokens, dtype S165.

        Raises:
            ValueError: these keys only check, or an argument is outside its range.
        """
        params = ffi.new("seki_challenge_params *")
        params.tenant, params.profile, params.lifetime = tenant, profile, lifetime
        params.issued = int(time.time()) if at is None else at
        params.audience = audience_field(audience)
        if random is not None and len(random) != rows * lib.SEKI_CHALLENGE_RANDOM_SIZE:
            wanted = rows * lib.SEKI_CHALLENGE_RANDOM_SIZE
            raise ValueError(f"{rows} challenges want {wanted} random bytes, not {len(random)}")
        keep: list[Column] = []
        tokens = np.zeros(rows, dtype=f"S{CHALLENGE_SIZE}")
        if rows:
            check(
                lib.seki_challenge_issue_many(
                    self.native,
                    params,
                    rows,
                    column_pointer("bindings", bindings, rows, keep),
                    column_pointer("transactions", transactions, rows, keep),
                    ffi.NULL if random is None else ffi.from_buffer("uint8_t[]", random),
                    ffi.from_buffer("uint8_t[]", tokens, require_writable=True),
                ),
                "issuing challenges (a current key, life of 1 to 300 s, bindings up to 1024 bytes, transactions of 32)",
            )
        return tokens

    def check(
        self,
        tokens: ColumnLike,
        *,
        profile: int,
        tenant: int = 0,
        audience: str = "",
        skew: int = 0,
        bindings: ColumnLike | None = None,
        transactions: ColumnLike | None = None,
        at: int | None = None,
    ) -> NDArray[np.uint16]:
        """Check challenges and claim none: `Reason.CHALLENGE_OK`, or why not, for each row.

        Arguments as in `issue`; `skew` is how many seconds the issuing clock may be ahead, 0 to 60.

        Raises:
            ValueError: columns of different lengths, or a skew outside its range.
        """
        column = Column.of(tokens)
        expect = expectation(profile=profile, tenant=tenant, audience=audience, skew=skew)
        keep = [column]
        reasons = np.full(column.rows, int(Reason.NOT_DECIDED), dtype=np.uint16)
        if column.rows:
            check(
                lib.seki_challenge_check_many(
                    self.native,
                    expect,
                    column.rows,
                    column.native,
                    column_pointer("bindings", bindings, column.rows, keep),
                    column_pointer("transactions", transactions, column.rows, keep),
                    int(time.time()) if at is None else at,
                    ffi.NULL,
                    ffi.from_buffer("uint16_t[]", reasons, require_writable=True),
                ),
                "checking challenges",
            )
        return reasons

    def __repr__(self) -> str:
        return f"<ChallengeKeys {sorted(self.ids)}, current {self.current}>"


def audience_field(audience: str) -> bytes:
    """The field that stands for an audience in a token: 16 bytes."""
    name = audience.encode("utf-8")
    out = ffi.new("uint8_t[]", lib.SEKI_CHALLENGE_AUDIENCE_SIZE)
    lib.seki_challenge_audience(name, len(name), out)
    return bytes(out)


def tokens_of(column: Iterable[bytes]) -> list[bytes]:
    """The tokens of an array as bytes objects, for those who send them one by one."""
    return [bytes(token) for token in column]


def expectation(*, profile: int, tenant: int, audience: str, skew: int) -> Any:
    """What a token must say, in the core's form."""
    expect = ffi.new("seki_challenge_expectation *")
    expect.tenant, expect.profile, expect.skew = tenant, profile, skew
    expect.audience = audience_field(audience)
    return expect


def column_pointer(name: str, values: ColumnLike | None, rows: int, keep: list[Column]) -> Any:
    """An optional column in the core's form, kept alive by `keep`."""
    if values is None:
        return ffi.addressof(absent())
    column = Column.of(values)
    if column.rows != rows:
        raise ValueError(f"{rows} challenges want {rows} {name}, not {column.rows}")
    keep.append(column)
    return column.native
