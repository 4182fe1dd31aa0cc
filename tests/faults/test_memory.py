"""The warm path allocates nothing for a row: calls of malloc are counted, Python's own objects among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHIM = r"""
/* Counts allocations of the process it is loaded into. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
static atomic_ulong made;

unsigned long allocations_made(void) { return atomic_load(&made); }
void *malloc(size_t size) { atomic_fetch_add(&made, 1); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { atomic_fetch_add(&made, 1); return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { atomic_fetch_add(&made, 1); return __libc_realloc(old, size); }
void *aligned_alloc(size_t align, size_t size) { atomic_fetch_add(&made, 1); return __libc_memalign(align, size); }
int posix_memalign(void **out, size_t align, size_t size)
{
    atomic_fetch_add(&made, 1);
    *out = __libc_memalign(align, size);
    return *out == NULL ? 12 : 0;
}
"""

PROGRAM = r"""
import ctypes, gc, json, os, sys, tracemalloc
from dataclasses import replace
from pathlib import Path

from sekisho import testing
from sekisho.batch import Column
from sekisho.engine import Engine, kernels
from sekisho.profiles import Profile
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import LoginBatch
from tests.unit.login_desk import Desk

counted = ctypes.CDLL(None).allocations_made
counted.restype = ctypes.c_ulong
threads, cross_check, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
city = testing.small_city()
engine = Engine(threads=threads, cache_bytes=1 << 23, cross_check_one_in=cross_check)
desk = Desk(folder, TrustStore(list(city.trust("auth"))), Profile.load("jpki-auth-test"), engine)
foreign = Desk(folder, desk.trust, replace(desk.profile, name="memory-foreign", challenge="foreign"), engine)

tokens = desk.issue(16)
few = testing.make_logins(city, tokens, workers=1)

def batch(rows):
    picked = [row % 16 for row in range(rows)]
    columns = (few.certificates, few.challenges, few.signatures)
    return LoginBatch(*(Column.of([column[row] for row in picked]) for column in columns))

def measure(verifier, rows):
    work = batch(rows)
    for _ in range(3):
        verdicts = verifier.verify_logins(work, at=AT)
    gc.collect()
    gc.disable()
    before = counted()
    verdicts = verifier.verify_logins(work, at=AT)
    spent = counted() - before
    gc.enable()
    return spent, int(verdicts.ok.sum())

def traced(verifier, rows):
    work = batch(rows)
    verifier.verify_logins(work, at=AT)
    gc.collect()
    tracemalloc.start()
    verdicts = verifier.verify_logins(work, at=AT)
    blocks = sum(trace.count for trace in tracemalloc.take_snapshot().statistics("filename"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return blocks, peak - verdicts.array.nbytes

answer = {"chosen": [one.name for one in kernels() if one.chosen], "foreign": {}, "own": {}, "traced": {}}
for rows in (1024, 10240):
    answer["foreign"][rows] = measure(foreign.verifier, rows)
    answer["own"][rows] = measure(desk.verifier, rows)   # all but 16 rows are told "used", as late as can be
    answer["traced"][rows] = traced(foreign.verifier, rows)
print(json.dumps(answer))
"""

FEW, MANY = "1024", "10240"  # rows
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    library = folder / "shim.so"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, folder / "shim.c", "-ldl"], check=True)
    return library


def counts(
    shim: Path, folder: Path, threads: int, cross_check: int, python_malloc: bool
) -> dict[str, dict[str, list[int]]]:
    """What the program counts. With `python_malloc` every Python object is a call of malloc too."""
    environment = os.environ | {"LD_PRELOAD": str(shim)}
    if python_malloc:
        environment["PYTHONMALLOC"] = "malloc"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(threads), str(cross_check), str(folder)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, dict[str, list[int]]] = json.loads(done.stdout.splitlines()[-1])
    if not answer["chosen"]:
        pytest.skip("no RSA kernel is on here, and OpenSSL makes a context for each signature")
    return answer


@pytest.mark.parametrize("threads", [1, 2])
def test_no_allocation_for_a_row_on_the_warm_path(shim: Path, tmp_path: Path, threads: int) -> None:
    answer = counts(shim, tmp_path, threads, 0, python_malloc=False)
    assert answer["foreign"][FEW][1] == int(FEW)
    assert answer["foreign"][MANY][1] == int(MANY)
    for profile in ("foreign", "own"):
        few, many = answer[profile][FEW][0], answer[profile][MANY][0]
        assert many == few, f"{profile}: {few} allocations for {FEW} rows, {many} for {MANY}"
        assert few < 64


def test_no_python_object_for_a_row(shim: Path, tmp_path: Path) -> None:
    """With Python's own allocator out of the way, an object for each row would be thousands of calls more."""
    answer = counts(shim, tmp_path, 1, 0, python_malloc=True)
    few, many = answer["foreign"][FEW][0], answer["foreign"][MANY][0]
    assert abs(many - few) < 16, f"{few} allocations for {FEW} rows, {many} for {MANY}"
    few_blocks, few_peak = answer["traced"][FEW]
    many_blocks, many_peak = answer["traced"][MANY]
    assert many_blocks == few_blocks
    assert abs(many_peak - few_peak) < 1024  # bytes beside the verdicts themselves


def test_cross_checks_allocate_as_seldom_as_they_are_made(shim: Path, tmp_path: Path) -> None:
    answer = counts(shim, tmp_path, 1, 1024, python_malloc=False)
    few, many = answer["foreign"][FEW][0], answer["foreign"][MANY][0]
    assert many - few < 9 * 40  # nine more checks by OpenSSL
