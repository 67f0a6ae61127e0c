"""tools/install_detectron2.py in small virtual environments of its own, with a pip that records and lays down files."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "install_detectron2.py"

# stands in for pip: writes its arguments to log.txt; with --target, lays down what the wheel holds
PIP = """
import sys
from pathlib import Path

with Path(sys.prefix, "log.txt").open("a") as log:
    print(*sys.argv[1:], file=log)
if Path(sys.prefix, "offline").exists():
    sys.exit("no network")
if "--target" in sys.argv:
    target = Path(sys.argv[sys.argv.index("--target") + 1])
    print(Path(sys.argv[sys.argv.index("-r") + 1]).read_text(), file=Path(sys.prefix, "requirement.txt").open("w"))
    files = {
        "detectron2/__init__.py": "",
        "detectron2/data/transforms/transform.py": "Image.BILINEAR",
        "detectron2/layers.py": "",
        "tools/lazyconfig_train_net.py": "",
    }
    record = "".join(f"{name},,\\n" for name in files)
    metadata = "Metadata-Version: 2.1\\nName: sal-detectron2\\nVersion: 0.7.2\\n"
    files |= {"sal_detectron2-0.7.2.dist-info/METADATA": metadata, "sal_detectron2-0.7.2.dist-info/RECORD": record}
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
"""


@pytest.fixture
def site(tmp_path) -> Path:
    """The site-packages of a new environment that holds nothing but the stand-in for pip."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    folder = tmp_path / "env" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (folder / "pip").mkdir()
    (folder / "pip" / "__main__.py").write_text(PIP)
    return folder


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = site.parents[2] / "bin" / "python"
    return subprocess.run([python, TOOL, *arguments], capture_output=True, text=True, env=env, cwd=site.parents[2])


def pip_calls(site: Path) -> list[str]:
    log = site.parents[2] / "log.txt"
    return log.read_text().splitlines() if log.exists() else []


def lay_down(site: Path, resample: str = "Image.BILINEAR") -> None:
    (site / "detectron2" / "data" / "transforms").mkdir(parents=True)
    (site / "detectron2" / "__init__.py").write_text("raise SystemExit('imported')")
    (site / "detectron2" / "data" / "transforms" / "transform.py").write_text(resample)


def test_installs_the_pinned_file_and_nothing_else_of_it(site):
    done = run(site)
    assert (done.returncode, done.stdout) == (0, "Detectron2: OK\n"), done.stderr
    dependencies, wheel = pip_calls(site)
    assert "constraints.txt fvcore iopath pycocotools" in dependencies and "--target" not in dependencies
    for option in ("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version 3.10", "--abi cp310"):
        assert option in wheel
    requirement = (site.parents[2] / "requirement.txt").read_text()
    assert "==0.7.2 --hash=sha256:491af0c7f79bdb2d178e46f6cb16a97c4ac968d45c41ea3f6b6435d59bbee561" in requirement
    assert sorted(p.name for p in site.iterdir()) == ["detectron2", "pip", "sal_detectron2-0.7.2.dist-info"]


def test_a_second_call_asks_pip_for_nothing(site):
    run(site)
    before = pip_calls(site)
    assert run(site).returncode == 0
    assert pip_calls(site) == before


def test_keeps_a_build_since_mid_2023_without_importing_it(site):
    lay_down(site)
    assert run(site).stdout == "Detectron2: OK\n"
    assert pip_calls(site) == []


def test_an_older_build_is_named_and_left_alone(site):
    lay_down(site, "Image.LINEAR")
    done = run(site)
    assert done.returncode == 1 and "too old (before mid-2023)" in done.stderr and "pip uninstall" in done.stderr
    assert pip_calls(site) == [] and (site / "detectron2" / "__init__.py").is_file()


def test_check_changes_nothing(site):
    done = run(site, "--check")
    assert done.returncode == 1 and "Detectron2 is not installed" in done.stderr
    assert pip_calls(site) == [] and [p.name for p in site.iterdir()] == ["pip"]


@pytest.mark.parametrize("lost", ["__init__.py", "data/transforms/transform.py", "layers.py"])
def test_an_incomplete_installation_is_mended(site, lost):
    run(site)
    (site / "detectron2" / lost).unlink()
    assert "is incomplete" in run(site, "--check").stderr
    assert run(site).returncode == 0
    assert (site / "detectron2" / lost).is_file()
    assert sorted(p.name for p in site.iterdir()) == ["detectron2", "pip", "sal_detectron2-0.7.2.dist-info"]


def test_a_failed_download_leaves_nothing_and_a_second_call_mends_it(site):
    offline = site.parents[2] / "offline"
    offline.touch()
    assert run(site).returncode != 0
    assert [p.name for p in site.iterdir()] == ["pip"]
    offline.unlink()
    (site / ".detectron2-killed").mkdir()
    assert run(site).returncode == 0
    assert not (site / ".detectron2-killed").exists()


def test_removes_only_the_stray_tools_of_detectron2(site):
    lay_down(site)
    (site / "tools").mkdir()
    (site / "tools" / "mine.py").touch()
    run(site)
    assert (site / "tools" / "mine.py").is_file()
    (site / "tools" / "lazyconfig_train_net.py").touch()
    run(site)
    assert not (site / "tools").exists()
