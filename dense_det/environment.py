"""The process environment that torch on a CPU wants, set before torch is imported; what machine and code this is."""

import ctypes
import os
import platform
import subprocess
from pathlib import Path

# libgomp's threads spin for long at barriers: as soon as another process wants a core, every parallel region waits
# for a time slice. Threads that sleep at once are several times faster then, but a light network has hundreds of
# barriers, and waking costs more than most of its layers: they look for as long as waking takes first, which bounds
# what either guess can lose. In the virtual machine where it was measured that is 40 us, 4,000 turns of 10 ns.
VARIABLES = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "4000",
    "KMP_BLOCKTIME": "0",
    # oneDNN builds kernels for each layer and size of input, and keeps 1,024: not enough for pages of any shape
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16384",
    "OPENCV_FOR_THREADS_NUM": "1",
}

# that speed depends on, as Linux names them
UNITS = "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"

# what a result may depend on: tools write their tables into other files
CODE = "dense_det", "tools", "configs", "datasets", "setup.py"

LEAVE = "DENSE_DET_LEAVE_PROCESS"  # set to 1: the process stays as it started

# glibc's mallopt codes; activations of a network are mmapped and page-faulted anew at each forward without them
_MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),
    "MALLOC_TOP_PAD_": (-2, 64 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": (-3, 2**30),
}


def prepare_process() -> None:
    """Set `VARIABLES` and glibc's malloc thresholds, where the user has not set them.

    Has its full effect only before torch (and its OpenMP runtime) is loaded: `import dense_det` calls it first. With
    `LEAVE`=1 in the environment it does nothing.
    """
    if os.environ.get(LEAVE) == "1":
        return
    passive = os.environ.get("OMP_WAIT_POLICY", "PASSIVE").upper() == "PASSIVE"
    for name, value in VARIABLES.items():
        if passive or name != "GOMP_SPINCOUNT":  # which would overrule the user's policy
            os.environ.setdefault(name, value)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    for variable, (code, value) in _MALLOC.items():
        if variable not in os.environ:
            mallopt(code, value)


def cpu_flags() -> frozenset[str]:
    """The instruction sets of this CPU as Linux names them ("avx2", "avx512_bf16"); empty elsewhere."""
    return frozenset(_cpuinfo("flags", "Features").split())


def cpu_name() -> str:
    """The CPU's name as Linux has it, elsewhere that of its kind, and which of `UNITS` it has: "AMD EPYC (avx2)"."""
    units = " ".join(unit for unit in UNITS if unit in cpu_flags())
    return (_cpuinfo("model name") or platform.machine()) + (units and f" ({units})")


def _cpuinfo(*keys: str) -> str:
    """The first value of one of `keys` in /proc/cpuinfo; "" where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    line = next((line for line in lines if line.startswith(keys)), "")
    return line.partition(":")[2].strip()


def num_cpus() -> int:
    """Those that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16; without it torch emulates, at a fifth of float32's speed."""
    return bool(cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"})


def products_lag_behind_convolutions() -> bool:
    """Whether matrix products in float32 have half of the CPU's speed: AMD's from Zen 5 on (family 26) have AVX-512
    units of full width, which oneDNN's convolutions use, and MKL's products do not."""
    family = _cpuinfo("cpu family")
    is_amd = _cpuinfo("vendor_id") == "AuthenticAMD" and family.isdecimal()
    return is_amd and int(family) >= 26 and "avx512f" in cpu_flags()


def code_version() -> str | None:
    """The commit of the repository this package is in, marked "-dirty" with changes of `CODE`; None outside of one."""
    commit = _git("rev-parse", "HEAD")
    if commit is None or commit.returncode:
        return None
    changes = _git("diff", "--quiet", "HEAD", "--", *CODE)
    return commit.stdout.strip() + "-dirty" * bool(changes and changes.returncode)


def _git(*words: str) -> subprocess.CompletedProcess | None:
    """None where there is no git."""
    root = Path(__file__).resolve().parents[1]
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None


def code_words(version: str | None) -> str:
    """A `code_version` to read: "commit 012345678", or "commit 012345678 with changes"; "" of None."""
    commit, changed, _ = (version or "").partition("-dirty")
    return f"commit {commit[:9]}{' with changes' * bool(changed)}" if commit else ""
