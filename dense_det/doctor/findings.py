"""The lines of the doctor's table: facts of the probes in, what is here or what to do out."""

import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dense_det.environment import cpu_name, num_cpus

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = shlex.quote(sys.executable)
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """`detail` says what is here or what is wrong; `mend` is the command that mends it, "" if all is well."""

    detail: str
    mend: str = ""


def _pip_install(*packages: str, force: bool = False) -> str:
    pins = CHECKOUT / "constraints.txt"
    constraint = f"-c {shlex.quote(str(pins))} " if pins.is_file() else ""
    again = "--force-reinstall --no-deps " if force else ""
    return f"{PYTHON} -m pip install {again}{constraint}{' '.join(packages)}"


def check_python(facts: dict) -> Finding:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < (3, 11):  # noqa: UP036  a checkout may be run by any Python
        return Finding(f"{found}: 3.11 or newer is needed", "make clean && PYTHON=python3.11 make setup")
    return Finding(found if sys.version_info < (3, 13) else f"{found}, newer than the tested 3.11 and 3.12")


def check_torch(facts: dict) -> Finding:
    torch = facts["torch"]
    if "error" in torch:
        return Finding(torch["error"], _pip_install("torch", "torchvision", force="No module" not in torch["error"]))
    return Finding(f"{torch['version']}, {torch['threads']} threads")


def check_torchvision(facts: dict) -> Finding:
    torch, torchvision = facts["torch"], facts["torchvision"]
    if "error" not in torchvision:
        return Finding(f"{torchvision['version']}, compiled operators work")
    if "error" in torch:
        return Finding(torchvision["error"], "mend torch first, then run this again")
    # since 2.0, torch 2.N belongs to torchvision 0.(N + 15); another pair fails with unknown operators
    major, minor = torch["version"].split(".")[:2]
    pair = f"torchvision==0.{int(minor) + 15}.*" if major == "2" else "torchvision"
    mend = f"{PYTHON} -m pip install --force-reinstall --no-deps '{pair}'"
    return Finding(f"{torchvision['error']} (torch is {torch['version']})", mend)


def check_detectron2(facts: dict) -> Finding:
    detectron2 = facts["detectron2"]
    installer = f"{PYTHON} {shlex.quote(str(CHECKOUT / 'tools' / 'install_detectron2.py'))}"
    if "error" in detectron2:
        error = detectron2["error"]
        if "too old" in error or "Image' has no attribute 'LINEAR'" in error:
            return Finding(error, f"{PYTHON} -m pip uninstall -y detectron2 && {installer}")
        missing = re.search(r"No module named '(\w+)", error)
        package = missing[1] if missing else "detectron2"
        if package in ("torch", "torchvision"):
            return Finding(error, "mend torch and torchvision first, then run this again")
        if package != "detectron2":
            known = {"yaml": "PyYAML", "hydra": "hydra-core", "PIL": "Pillow", "cv2": "opencv-python-headless"}
            return Finding(error, _pip_install(known.get(package, package)))
        return Finding(error, installer)
    if Path(sysconfig.get_path("purelib"), "tools", "lazyconfig_train_net.py").is_file():
        return Finding("its scripts lie in site-packages as `tools`, and can shadow other packages", installer)
    return Finding(f"{detectron2['version']} in {detectron2['folder']}")


def check_numpy(facts: dict) -> Finding:
    numpy = facts["numpy"]
    if "error" in numpy:
        return Finding(numpy["error"], _pip_install("numpy", force="No module" not in numpy["error"]))
    if int(numpy["version"].split(".")[0]) < 2:
        return Finding(f"{numpy['version']}: NumPy 2 is needed", _pip_install("'numpy>=2'"))
    return Finding(numpy["version"])


def check_opencv(facts: dict) -> Finding:
    opencv = facts["opencv"]
    if "error" not in opencv:
        return Finding(opencv["version"])
    error = opencv["error"]
    if ".so" in error and "cannot open shared object" in error:
        sudo = "" if os.geteuid() == 0 else "sudo "
        return Finding(error, f"{sudo}apt-get install -y libgl1 libglib2.0-0")
    return Finding(error, _pip_install("opencv-python-headless", force="No module" not in error))


def check_evaluator(facts: dict) -> Finding:
    reference, fast = facts["pycocotools"], facts["hotcoco"]
    if "error" in reference:
        force = "No module" not in reference["error"]
        return Finding(f"pycocotools: {reference['error']}", _pip_install("pycocotools", force=force))
    if "error" in fast:
        return Finding(f"pycocotools {reference['version']}; several times faster with: {_pip_install('hotcoco')}")
    return Finding(f"hotcoco {fast['version']}, pycocotools {reference['version']}")


def check_pdf(facts: dict) -> Finding:
    pdf = facts["pypdfium2"]
    if "error" in pdf:
        return Finding(f"no pypdfium2: only needed to make data from PDFs, with: {_pip_install('pypdfium2')}")
    return Finding(f"pypdfium2 {pdf['version']}")


def check_cpu(facts: dict) -> Finding:
    return Finding(f"{num_cpus()} cores, {cpu_name()}")


def check_gpu(facts: dict) -> Finding:
    if gpus := facts["torch"].get("gpus"):
        return Finding(", ".join(gpus))
    if shutil.which("nvidia-smi"):
        return Finding("torch sees none, though nvidia-smi is here (does it run? is the driver new enough for torch?)")
    return Finding("none: training and inference run on the CPU")


def check_openmp(facts: dict) -> Finding:
    policy, threads = os.environ.get("OMP_WAIT_POLICY", "not set"), os.environ.get("OMP_NUM_THREADS", "not set")
    found = f"OMP_WAIT_POLICY {policy}, OMP_NUM_THREADS {threads}"
    if policy.upper() != "PASSIVE":
        return Finding(f"{found}: waiting threads spin, much slower on a busy machine", "unset OMP_WAIT_POLICY")
    if threads.isdecimal() and int(threads) > num_cpus():
        return Finding(f"{found}: more threads than the {num_cpus()} cores", "unset OMP_NUM_THREADS")
    return Finding(found)


def check_memory(facts: dict) -> Finding:
    free, shared = _free_memory(), shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else GIB
    found = f"{free / GIB:.1f} GiB free, {shared / GIB:.1f} GiB of shared memory"
    if free < 3 * GIB:
        return Finding(found, "add to the training command: SOLVER.IMS_PER_BATCH 2 DATALOADER.NUM_WORKERS 0")
    if shared < GIB / 4:  # a container's default of 64 MiB: loader workers die with a bus error
        return Finding(found, "add to the training command: DATALOADER.NUM_WORKERS 0   (or: docker run --shm-size=2g)")
    return Finding(found)


def check_disk(facts: dict) -> Finding:
    free = shutil.disk_usage(".").free
    mend = "" if free > 2 * GIB else f"{PYTHON} -m pip cache purge   (and remove old output/)"
    return Finding(f"{free / GIB:.1f} GiB free in {Path.cwd()}", mend)


def check_dense_det(facts: dict) -> Finding:
    ours = facts["dense_det"]
    if "error" in ours:
        return Finding(ours["error"], f"mend the lines above; if there are none: {_pip_install('-e', str(CHECKOUT))}")
    return Finding(f"{ours['version']} in {ours['folder']}, its networks are registered")


def _free_memory() -> int:
    """Bytes that this process may still take: the machine's, or its control group's limit."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    bound = limit.read_text().strip() if limit.is_file() else "max"
    return free if bound == "max" else min(free, int(bound))


# causes come before what they break; the first one to mend decides the exit code
CHECKS: dict[str, Callable[[dict], Finding]] = {
    "Python": check_python,
    "NumPy": check_numpy,
    "torch": check_torch,
    "torchvision": check_torchvision,
    "Detectron2": check_detectron2,
    "OpenCV": check_opencv,
    "evaluator": check_evaluator,
    "PDF": check_pdf,
    "CPU": check_cpu,
    "GPU": check_gpu,
    "OpenMP": check_openmp,
    "memory": check_memory,
    "disk": check_disk,
    "dense_det": check_dense_det,
}
FIRST_CODE = 10  # below are Python's own (1: exception, 2: wrong arguments)


def exit_code(findings: dict[str, Finding]) -> int:
    """0 if all is well, else FIRST_CODE + the place of the first one to mend in CHECKS."""
    broken = [FIRST_CODE + place for place, name in enumerate(CHECKS) if findings[name].mend]
    return broken[0] if broken else 0
