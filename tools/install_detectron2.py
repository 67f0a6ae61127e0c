"""Keep the Detectron2 that is here if it serves (any build since mid-2023); install one if there is none."""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import invalidate_caches, metadata, util
from pathlib import Path

# Detectron2 is on no index under its own name. This package is its commit a59f0563 (2024-04-17) with three small fixes;
# tagged for Python 3.10 and numpy<2, it is pure Python as we use it. So: that one file, without its requirements.
REQUIREMENT = "sal-detectron2==0.7.2 --hash=sha256:491af0c7f79bdb2d178e46f6cb16a97c4ac968d45c41ea3f6b6435d59bbee561\n"
TAG = "--python-version 3.10 --implementation cp --abi cp310 --platform linux_x86_64".split()
DEPENDENCIES = """fvcore iopath pycocotools yacs tabulate cloudpickle tensorboard omegaconf hydra-core black packaging
    termcolor matplotlib Pillow tqdm""".split()
CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
SITE = Path(sysconfig.get_path("purelib"))


def find_problem() -> str:
    """What is wrong with the Detectron2 that Python finds; "" if it serves. Imports nothing of it."""
    spec = util.find_spec("detectron2")
    if spec is None:
        return "is not installed"
    transforms = Path(spec.origin or "?").with_name("data") / "transforms" / "transform.py"
    if not transforms.is_file():
        return f"is incomplete in {[*(spec.submodule_search_locations or '?')][0]}"
    if "Image.LINEAR" in transforms.read_text(encoding="utf-8"):  # gone in Pillow 10; mended upstream in mid-2023
        return f"in {Path(spec.origin).parent} is too old (before mid-2023): `pip uninstall detectron2`, then try again"
    for package in metadata.distributions(name="sal-detectron2"):
        names = [row.partition(",")[0] for row in (package.read_text("RECORD") or "").splitlines()]
        modules = [name for name in names if name.startswith("detectron2/") and name.endswith(".py")]
        missing = [name for name in modules if not Path(package.locate_file(name)).is_file()]
        if missing:
            return f"is incomplete: {len(missing)} files are missing, such as {missing[0]}"
    return ""


def install() -> None:
    """Install the dependencies, then the wheel in a scratch folder; move it into place when it is whole."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", str(CONSTRAINTS), *DEPENDENCIES], check=True)
    with tempfile.TemporaryDirectory(dir=SITE, prefix=".detectron2-") as scratch:
        wheel, old, requirement = (Path(scratch, name) for name in ("wheel", "old", "requirement.txt"))
        requirement.write_text(REQUIREMENT)
        only_this = ["--no-deps", "--only-binary=:all:", "--require-hashes", *TAG]
        subprocess.run([*pip, *only_this, "--target", str(wheel), "-r", str(requirement)], check=True)
        old.mkdir()
        for part in sorted(wheel.glob("*detectron2*")):  # the package, then its metadata; not its package `tools`
            if (SITE / part.name).exists():
                os.replace(SITE / part.name, old / part.name)
            os.replace(part, SITE / part.name)


def remove_leftovers() -> None:
    """Scratch folders of killed calls, and Detectron2's scripts: its wheel drops them as a package named `tools`."""
    for folder in SITE.glob(".detectron2-*"):
        shutil.rmtree(folder)
    if (SITE / "tools" / "lazyconfig_train_net.py").is_file():
        shutil.rmtree(SITE / "tools")


def main() -> str:  # the error to exit with, "" if all is well
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: python tools/install_detectron2.py --check")
    parser.add_argument("--check", action="store_true", help="only look; exit with 1 if there is none that serves")
    check_only, problem = parser.parse_args().check, find_problem()
    if not check_only:
        remove_leftovers()
        if problem and "too old" not in problem:
            install()
            invalidate_caches()
            problem = find_problem()
    return f"Detectron2 {problem}" if problem else ""


if __name__ == "__main__":
    sys.exit(main() or print("Detectron2: OK"))
