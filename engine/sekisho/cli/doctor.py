"""`sekisho doctor`: is this machine ready, how fast is it, and what is missing?"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from sekisho._version import __version__
from sekisho.cli.base import console, json_option, print_json, progress_bar
from sekisho.cli.machine import cpu_flags, cpu_model

__all__ = ["command"]

CPU_FEATURES: Final = (
    "avx2",
    "fma",
    "bmi2",
    "adx",
    "avx512f",
    "avx512dq",
    "avx512bw",
    "avx512vl",
    "avx512ifma",
    "sha_ni",
)
ROWS: Final = 512  # signatures a round: some tens of lane groups
ROUNDS: Final = 5
SHARED: Final = "/dev/shm"  # noqa: S108 - where claims are kept: no temporary file
CLAIMS_BYTES: Final = 48  # of shared memory for each live challenge (sekisho.h)


@dataclass
class Finding:
    """Something to know or to do.  `level`: "alarm" (do not run like this), "advice", "note"."""

    level: str
    what: str
    do: str = ""


@dataclass
class Report:
    """All that the doctor saw."""

    versions: dict[str, str] = field(default_factory=dict)
    cpu: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    kernels: list[dict[str, Any]] = field(default_factory=list)
    speed: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return not any(one.level == "alarm" for one in self.findings)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"healthy": self.healthy}


@click.command()
@click.option("--quick", is_flag=True, help="Leave the measurements out (they take about three seconds).")
@json_option
def command(quick: bool, as_json: bool) -> None:
    """Look the installation over: CPU, lane kernels and their self-tests, speed, versions, memory, what is missing.

    Each kernel passes a known-answer test when the library loads; one that fails is switched off, OpenSSL answers in
    its place, and this command says so and ends with 1.

    \b
    Examples:
      sekisho doctor
      sekisho doctor --json | jq .findings
      SEKISHO_LANES=0 sekisho doctor          how fast is OpenSSL alone?
    """
    report = examine(measure=not quick)
    if as_json:
        print_json(report.as_json())
    else:
        _show(report)
    sys.exit(0 if report.healthy else 1)


def examine(*, measure: bool = True) -> Report:
    """Everything the doctor looks at; never raises for what is wrong with the installation."""
    report = Report(versions=_versions(), cpu=_cpu(), memory=_memory())
    try:
        from sekisho import _native, engine  # noqa: PLC0415 - a broken core is a finding
    except ImportError as error:
        report.findings.append(Finding("alarm", "the C core does not load", str(error)))
        return report
    report.versions["OpenSSL"] = _native.ffi.string(_native.lib.seki_openssl_version()).decode("ascii").split()[1]
    report.kernels = [_kernel(one, report.cpu["features"]) for one in engine.kernels()]
    if measure:
        report.speed = _measure()
        # Again: the measurements used them, and a kernel that goes wrong is caught in use.
        report.kernels = [_kernel(one, report.cpu["features"]) for one in engine.kernels()]
    report.findings += _findings(report)
    return report


# ---- looking -------------------------------------------------------------------------------------


def _versions() -> dict[str, str]:
    found = {"sekisho": __version__, "Python": platform.python_version()}
    for name in ("numpy", "cryptography", "cffi"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found | {"Linux": platform.release().split("-")[0]}


def _cpu() -> dict[str, Any]:
    has = cpu_flags()
    return {
        "model": cpu_model(),
        "usable": len(os.sched_getaffinity(0)),
        "present": os.cpu_count() or 1,
        "features": [one for one in CPU_FEATURES if one in has],
    }


def _memory() -> dict[str, int]:
    """Bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    found = {"total": os.sysconf("SC_PHYS_PAGES") * page, "available": os.sysconf("SC_AVPHYS_PAGES") * page}
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found["available"] = int(line.split()[1]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        if limit.isdecimal():
            found["limit"] = int(limit)
    except OSError:
        pass
    if os.path.isdir(SHARED):
        found["shared_free"] = shutil.disk_usage(SHARED).free
    found["open_files_limit"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return found


_NEEDS: Final = {  # what /proc/cpuinfo must name for a kernel to be there
    "rsa-avx512": ("avx512f",),
    "rsa-ifma": ("avx512ifma",),
    "rsa-crypto-mb": ("avx512ifma",),
    "rsa-avx2": ("avx2", "fma"),
    "p256": ("avx512ifma",),
    "p384": ("avx512ifma",),
    "ed25519": ("avx512ifma",),
    "sha256": ("avx512f",),
}
_SELF_TESTS: Final = {"on": "passed", "off-wrong-accept": "passed", "off-self-test": "FAILED"}


def _kernel(kernel: Any, features: Iterable[str]) -> dict[str, Any]:
    lacking = [one for one in _NEEDS[kernel.name] if one not in features]
    return {
        "name": kernel.name,
        "state": kernel.state,
        "self_test": _SELF_TESTS.get(kernel.state, "not run"),
        "chosen": kernel.chosen,
        "ns_per_row": round(kernel.ns_per_row, 1) or None,
        "why": f"this CPU lacks {', '.join(lacking)}" if lacking and kernel.state == "absent" else "",
    }


# ---- measuring -----------------------------------------------------------------------------------


def _measure() -> list[dict[str, Any]]:
    """Verifications a second of each kind, one thread, through the public API; every answer is checked."""
    from sekisho.testing.keys import key_from_label  # noqa: PLC0415 - numpy and cryptography, 0.2 s

    kinds = (
        ("RSA-2048", "rsa2048", "rsassa-pkcs1-v1_5-sha256"),
        ("RSA-3072", "rsa3072", "rsassa-pkcs1-v1_5-sha256"),
        ("RSA-4096", "rsa4096", "rsassa-pkcs1-v1_5-sha256"),
        ("P-256", "p256", "ecdsa-sha256-der"),
        ("P-384", "p384", "ecdsa-sha384-der"),
        ("Ed25519", "ed25519", "ed25519"),
    )
    found = []
    with progress_bar() as bar:
        for label, kind, mode in bar.track(kinds, description="measuring"):
            key = key_from_label(kind, "doctor")
            message = b"sekisho doctor"
            found.append({"what": label} | _signatures(key.spki, key.sign(message), message, mode))
    return found


def _signatures(spki: bytes, signature: bytes, message: bytes, mode: str) -> dict[str, Any]:
    from sekisho.engine import Engine  # noqa: PLC0415 - see `examine`
    from sekisho.signatures import KeySet, SignatureBatch, verify_signatures  # noqa: PLC0415

    engine, keys = Engine(threads=1, cache_bytes=0), KeySet([spki])

    def run(count: int) -> tuple[float, Any]:
        batch = SignatureBatch(keys=keys, signatures=[signature] * count, messages=[message] * count, mode=mode, key=0)
        start = time.perf_counter()
        verdicts = verify_signatures(batch, engine=engine)
        return time.perf_counter() - start, verdicts

    first, verdicts = run(64)
    count = max(64, min(ROWS * 8, int(64 * 0.05 / first)))  # a round of about 50 ms
    rounds = [run(count) for _ in range(ROUNDS)]
    seconds = statistics.median(took for took, _ in rounds)
    wrong = sum(int((~answer.ok).sum()) for _, answer in [(0.0, verdicts), *rounds])
    return {"per_s": round(count / seconds), "backend": rounds[-1][1][0].backend, "wrong": wrong}


# ---- judging -------------------------------------------------------------------------------------


def _findings(report: Report) -> list[Finding]:
    found: list[Finding] = []
    for one in report.kernels:
        if one["state"] == "off-self-test":
            found.append(
                Finding(
                    "alarm",
                    f"kernel {one['name']} failed its known-answer test and is off; OpenSSL answers in its place",
                    "run memtest, update the microcode, and report it with the output of `sekisho doctor --json`",
                )
            )
        if one["state"] == "off-wrong-accept":
            found.append(
                Finding(
                    "alarm",
                    f"kernel {one['name']} accepted what OpenSSL refused and is off",
                    "take this machine out of service and report it with the output of `sekisho doctor --json`",
                )
            )
    for row in report.speed:
        if row["wrong"]:
            found.append(
                Finding("alarm", f"{row['wrong']} good {row['what']} signatures were refused", "do not use this build")
            )
    found += _advice(report)
    return found


def _advice(report: Report) -> list[Finding]:
    found: list[Finding] = []
    lanes = {one["name"]: one for one in report.kernels}
    features = report.cpu["features"]
    if os.environ.get("SEKISHO_LANES", "1") == "0":
        found.append(Finding("advice", "SEKISHO_LANES=0 switches every lane kernel off", "unset it for full speed"))
    elif not any(one["state"] == "on" for name, one in lanes.items() if name.startswith("rsa-")):
        found.append(Finding("note", "no RSA lanes on this CPU: OpenSSL answers", "with AVX2, 2 to 5 times as fast"))
    elif "avx512ifma" not in features:
        found.append(
            Finding(
                "note",
                "no AVX-512 IFMA on this CPU: P-256, P-384 and Ed25519 run on OpenSSL, RSA in "
                + ("AVX-512F" if "avx512f" in features else "AVX2")
                + " lanes",
                "for lanes of all kinds: Intel Ice Lake or AMD Zen 4, and later",
            )
        )
    elif lanes["p256"]["state"] == "absent":
        found.append(
            Finding(
                "advice",
                "this CPU has AVX-512 IFMA, but the core was built without Intel's crypto_mb",
                "install a wheel from PyPI, or build with ipp-crypto-static (and without SEKISHO_MULTIBUFFER=0)",
            )
        )
    if report.cpu["usable"] < report.cpu["present"]:
        found.append(Finding("note", f"this process may use {report.cpu['usable']} of {report.cpu['present']} CPUs"))
    shared = report.memory.get("shared_free")
    wanted = 1_000_000 * CLAIMS_BYTES
    if shared is None or shared < wanted:
        found.append(
            Finding(
                "advice",
                f"little room in {SHARED} for claims: {CLAIMS_BYTES} bytes a live challenge",
                "mount a larger tmpfs there (docker: --shm-size=128m), or give Claims another path",
            )
        )
    if _plants_faults():
        found.append(
            Finding(
                "advice",
                "this is a build for tests (SEKISHO_TEST_FAULTS=1): programs can plant faults in its kernels",
                "for production install the wheel, or build without that variable",
            )
        )
    for program, package in (("openssl", "openssl"), ("softhsm2-util", "softhsm2"), ("pkcs11-tool", "opensc")):
        if shutil.which(program) is None:
            found.append(
                Finding("note", f"{program} is missing (for `sekisho demo` and tests)", f"apt-get install {package}")
            )
    return found


def _plants_faults() -> bool:
    """Whether the core was built so that tests can plant faults: planting none, on a kernel that is absent, tells."""
    from sekisho._native import lib  # noqa: PLC0415 - see `examine`
    from sekisho.engine import KERNELS, kernels  # noqa: PLC0415

    absent = [KERNELS[one.name] for one in kernels() if one.state == "absent"]
    return bool(absent) and int(lib.seki_kernels_plant(absent[0], lib.SEKI_FAULT_NONE)) == lib.SEKI_OK


# ---- showing -------------------------------------------------------------------------------------

_STYLES: Final = {"alarm": "bold red", "advice": "yellow", "note": "dim"}


def _show(report: Report) -> None:
    out = console()
    out.print(Text("Versions   ", style="bold") + Text(", ".join(f"{k} {v}" for k, v in report.versions.items())))
    cpu = report.cpu
    usable = f"{cpu['usable']} of {cpu['present']} CPUs usable"
    out.print(Text("CPU        ", style="bold") + Text(f"{cpu['model']}; {usable}"))
    out.print(Text("           ") + Text(" ".join(cpu["features"]) or "no vector features that matter here"))
    memory = report.memory
    parts = [f"{_bytes(memory['total'])} in all", f"{_bytes(memory['available'])} available"]
    parts += [f"limited to {_bytes(memory['limit'])}"] if "limit" in memory else []
    parts += [f"{SHARED} {_bytes(memory['shared_free'])} free"] if "shared_free" in memory else []
    out.print(Text("Memory     ", style="bold") + Text(", ".join(parts)))
    if report.kernels:
        out.print(_kernel_table(report))
    if report.speed:
        out.print(_speed_table(report))
    for one in sorted(report.findings, key=lambda finding: list(_STYLES).index(finding.level)):
        line = Text(f"{one.level:<7}", style=_STYLES[one.level]) + Text(one.what)
        out.print(line + Text(f"\n        -> {one.do}" if one.do else ""))
    out.print(Text("Ready." if report.healthy else "Not ready: see the alarms above.", style="bold"))


def _kernel_table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for name in ("Lane kernel", "State", "Self-test", "At start"):
        table.add_column(name, justify="right" if name == "At start" else "left")
    table.add_column("")
    styles = {"on": "green", "absent": "dim", "off-requested": "yellow"}
    for one in report.kernels:
        speed = f"{one['ns_per_row'] / 1000:.2f} µs" if one["ns_per_row"] else ""
        note = "answers for RSA-2048" if one["chosen"] else one["why"]
        state = Text(one["state"], style=styles.get(one["state"], "bold red"))
        table.add_row(one["name"], state, one["self_test"], speed, Text(note, style="dim"))
    return table


def _speed_table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Signatures, one thread")
    table.add_column("verifies/s", justify="right")
    table.add_column("by")
    for row in report.speed:
        table.add_row(row["what"], f"{row['per_s']:,}", row["backend"])
    return table


def _bytes(count: int) -> str:
    units: tuple[tuple[str, int], ...] = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
    pick: Callable[[tuple[str, int]], bool] = lambda unit: count >= unit[1]  # noqa: E731
    name, size = next(filter(pick, units), ("bytes", 1))
    return f"{count / size:,.1f} {name}"
