"""The floors of the house, and the rules that reading alone does not keep; each is also shown a file that breaks it."""

import ast
import functools
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

# room of dense_det -> rooms it may import, besides itself and COMMON
MAY_IMPORT = {
    # the model wing, from the ground up
    "layers": set(),
    "blocks": {"layers"},
    "backbones": {"blocks", "layers"},
    "retinanet_head": {"layers"},
    "anchor_losses": set(),
    "anchor_matching": set(),
    "retinanet_inference": {"layers"},
    "retinanet": {"retinanet_head", "retinanet_inference", "anchor_losses", "anchor_matching", "layers"},
    "roi_heads": set(),
    "centermask": {"layers"},
    # the job wing; the wings meet in Detectron2's registries and cfg, by name
    "yaml_formula": set(),
    "config_file": {"yaml_formula"},
    "config": {"config_file"},
    "config_conversion": {"config", "config_file"},
    "weights": set(),
    "checkpoint": {"weights"},
    "data": set(),
    "evaluation": set(),
    "analysis": set(),
    "job_file": {"data"},
    "distillation": {"data", "deploy", "evaluation", "tta", "fold_bn", "job_file", "pointwise"},
    "deploy": {"data", "evaluation", "analysis", "fold_bn", "group_norm"},
    "prediction": {"deploy", "distillation"},
    "zoo": {"checkpoint", "deploy", "distillation", "job_file"},
    "speed": {"analysis", "config", "data", "deploy", "distillation", "engine", "fold_bn"},
    "fold_bn": set(),
    "pointwise": {"normed_conv"},
    "depthwise": {"normed_conv"},
    "normed_conv": set(),
    "group_norm": set(),
    "batch_norm": set(),
    "tta": set(),
    "engine": {
        "config",
        "checkpoint",
        "evaluation",
        "data",
        "analysis",
        "tta",
        "pointwise",
        "depthwise",
        "group_norm",
        "batch_norm",
        "weights",
    },
    # beside the house: runs where nothing else does; a child process tries whether the package itself ("") imports
    "doctor": {""},
}
COMMON = {
    "aligned_table",
    "atomic_file",
    "suggest",
    "drawing",
    "environment",
    "folder_lock",
    "marked_page",
    "quad",
    "steps",
    "suppression",
    "terminal",
}  # each one noun, imports only these

# zoo.yaml is a list: a line a detector
MAX_LINES = {
    "dense_det/**/*.py": 300,
    "tools/*": 80,
    "configs/**/Base-*.yaml": 50,
    "configs/zoo.yaml": 30,
    "configs/**/*.yaml": 15,
}
UNCOUNTED = re.compile(r"\s*(#.*)?$")  # in a config, the reasons are free
NO_NOUNS = {"utils", "util", "common", "misc", "helpers"}
# in pieces, so that this file does not name them either
REGISTRIES = [
    ".".join(host)
    for host in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("npmjs", "org"),
        ("download", "pytorch", "org"),
    )
]


def package_files(root: Path) -> list[Path]:
    return sorted((root / "dense_det").rglob("*.py"))


def python_files(root: Path) -> list[Path]:
    return [*package_files(root), *sorted((root / "tools").glob("*.py")), *sorted((root / "datasets").glob("*.py"))]


@functools.cache
def parse(source: str) -> ast.Module:
    return ast.parse(source)


def room_of(file: Path, root: Path) -> str:
    """dense_det/blocks/osa.py -> "blocks"; dense_det/config.py -> "config"; dense_det/__init__.py -> "__init__"."""
    return file.relative_to(root / "dense_det").parts[0].removesuffix(".py")


def imported(file: Path, root: Path) -> list[tuple[str, int]]:
    """(dotted name, line) of every import in `file`, relative ones made absolute; `from a import b` gives a.b."""
    package = file.relative_to(root).parent.parts
    names = []
    for node in ast.walk(parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            ground = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*ground, *([node.module] if node.module else [])])
            names += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return names


# --- the rules: a tree in, a list of what breaks them out ----------------------------------------------------------


def broken_floors(root: Path) -> list[str]:
    rooms = {room_of(file, root) for file in package_files(root)} - {"__init__"}
    faults = [f"dense_det/{room}: has no row in MAY_IMPORT" for room in sorted(rooms - MAY_IMPORT.keys() - COMMON)]
    faults += [f"MAY_IMPORT has a row {room!r}, but no such room" for room in sorted(MAY_IMPORT.keys() - rooms)]
    for file in package_files(root):
        room = room_of(file, root)
        if room == "__init__" or room not in MAY_IMPORT.keys() | COMMON:
            continue
        allowed = {room} | COMMON | MAY_IMPORT.get(room, set())
        for name, line in imported(file, root):
            top, _, rest = name.partition(".")
            if top in ("tools", "tests", "datasets"):
                faults.append(f"{file.relative_to(root)}:{line}: the package imports {top}")
            if top == "dense_det" and (target := rest.split(".")[0]) not in allowed:
                what = target if target in rooms else "dense_det itself"
                faults.append(f"{file.relative_to(root)}:{line}: {room} may not import {what}")
    return faults


def drawers(root: Path) -> list[str]:
    """Files and folders whose name says nothing."""
    folders = {file.parent for file in python_files(root)}
    return [str(p.relative_to(root)) for p in [*python_files(root), *folders] if p.stem in NO_NOUNS]


def too_long(root: Path) -> list[str]:
    faults, seen = [], set()
    for pattern, limit in MAX_LINES.items():
        for file in sorted(root.glob(pattern)):
            if not file.is_file() or file in seen:
                continue
            seen.add(file)
            lines = file.read_text(encoding="utf-8").splitlines()
            if file.suffix == ".yaml":
                lines = [line for line in lines if not UNCOUNTED.match(line)]
            if len(lines) > limit:
                faults.append(f"{file.relative_to(root)}: {len(lines)} lines, at most {limit}")
    return faults


def stray_cfg(root: Path) -> list[str]:
    """Reads of `cfg.KEY` outside the doors: build_*, from_config, a room's build.py, engine, config.py."""
    faults = []

    def visit(node: ast.AST, file: Path, inside: bool) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = inside or node.name.startswith("build_") or node.name == "from_config"
        if isinstance(node, ast.Attribute) and not inside:
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if name == "cfg":
                faults.append(f"{file.relative_to(root)}:{node.lineno}: cfg.{node.attr} is read outside a build_*")
        for child in ast.iter_child_nodes(node):
            visit(child, file, inside)

    for file in package_files(root):
        if room_of(file, root) not in ("engine", "config", "__init__") and file.name != "build.py":
            visit(parse(file.read_text(encoding="utf-8")), file, inside=False)
    return faults


def unsafe_reads(root: Path) -> list[str]:
    """Calls that may run code from a file. The one door is dense_det/checkpoint.py, behind --trust-pickle."""
    faults = []
    for file in python_files(root):
        trusted = file == root / "dense_det" / "checkpoint.py"
        for node in ast.walk(parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (reason := _unsafe(node)) and not trusted:
                faults.append(f"{file.relative_to(root)}:{node.lineno}: {reason}")
            if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "yaml", "joblib", "marshal"):
                faults.append(f"{file.relative_to(root)}:{node.lineno}: import {node.module} whole, so that calls show")
    return faults


def _unsafe(call: ast.Call) -> str:
    name = ast.unparse(call.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    last = name.split(".")[-1]
    if name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "marshal.load", "eval", "exec"):
        return name
    if name.startswith("yaml.") and last in ("load", "load_all", "unsafe_load", "full_load", "unsafe_load_all"):
        return f"{name}: use yaml.safe_load"
    if name == "torch.load" and given.get("weights_only") != "True":
        return "torch.load without weights_only=True"
    if given.get("allow_pickle", "False") != "False":
        return f"{name} with allow_pickle"
    if last in ("merge_from_file", "load_yaml_with_base") and given.get("allow_unsafe") != "False":
        return f"{last} without allow_unsafe=False reads Python objects: use dense_det.config.load_cfg"
    return ""


def forbidden_detectron2(root: Path) -> list[str]:
    """model_zoo needs pkg_resources, gone from setuptools; the compiled _C is missing in many installations."""
    return [
        f"{file.relative_to(root)}:{line}: {name}"
        for file in [*python_files(root), *sorted((root / "tests").rglob("*.py"))]
        for name, line in imported(file, root)
        if name.startswith(("detectron2.model_zoo", "detectron2._C"))
    ]


def prints(root: Path) -> list[str]:
    """The package logs; tools print, through `terminal`. The doctor is a tool that runs where the package does not."""
    return [
        f"{file.relative_to(root)}:{node.lineno}: print"
        for file in package_files(root)
        if room_of(file, root) not in ("doctor", "terminal")
        for node in ast.walk(parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def registry_hosts(root: Path) -> list[str]:
    """Where packages come from is the user's pip and apt configuration, not ours."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listing = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True).stdout
        files = [root / name for name in listing.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # not a clone
        files = [*python_files(root), *root.glob("*"), *root.glob("tools/*"), *root.glob("configs/**/*")]
    found = []
    for file in files:
        if not file.is_file() or file.is_symlink():
            continue
        text = file.read_bytes().decode("utf-8", errors="replace")
        found += [f"{file.relative_to(root)}: {host}" for host in REGISTRIES if host in text]
    return found


RULES = [
    broken_floors,
    drawers,
    too_long,
    stray_cfg,
    unsafe_reads,
    forbidden_detectron2,
    prints,
    registry_hosts,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps(rule):
    faults = rule(ROOT)
    assert not faults, "\n" + "\n".join(faults)


def test_the_files_are_looked_at():
    assert ROOT / "dense_det" / "layers" / "norm.py" in package_files(ROOT)
    assert ROOT / "tools" / "train_net.py" in python_files(ROOT)


def test_configs_use_no_python_tags():
    for file in sorted((ROOT / "configs").rglob("*.yaml")):
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file


# --- the rules themselves: what each must catch, and what it must let pass -----------------------------------------


def house(root: Path, files: dict[str, str]) -> Path:
    """A small tree with a file in each room, and `files` on top."""
    for room in MAY_IMPORT:
        files = {f"dense_det/{room}/__init__.py": "", **files}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


BROKEN = [
    (broken_floors, "dense_det/layers/a.py", "from dense_det.blocks import osa", "layers may not import blocks"),
    (broken_floors, "dense_det/layers/a.py", "from ..blocks import osa", "layers may not import blocks"),
    (broken_floors, "dense_det/layers/a.py", "from .. import blocks", "layers may not import blocks"),
    (broken_floors, "dense_det/data/a.py", "def f():\n    import dense_det.engine.setup", "data may not import engine"),
    (broken_floors, "dense_det/data/pdf/a.py", "from ...engine import setup", "data may not import engine"),
    (broken_floors, "dense_det/engine/a.py", "from dense_det import __version__", "may not import dense_det itself"),
    (broken_floors, "dense_det/engine/a.py", "import dense_det", "may not import dense_det itself"),
    (broken_floors, "dense_det/engine/a.py", "from dense_det import backbones", "engine may not import backbones"),
    (broken_floors, "dense_det/drawing.py", "from dense_det.data import preview", "drawing may not import data"),
    (broken_floors, "dense_det/engine/a.py", "from tools import demo", "the package imports tools"),
    (broken_floors, "dense_det/attic/a.py", "", "dense_det/attic: has no row"),
    (drawers, "dense_det/data/utils.py", "", "utils"),
    (drawers, "dense_det/common/box.py", "", "common"),
    (drawers, "tools/misc.py", "", "misc"),
    (too_long, "dense_det/data/a.py", "a = 1\n" * 301, "301 lines, at most 300"),
    (too_long, "tools/a.py", "a = 1\n" * 81, "81 lines, at most 80"),
    (too_long, "configs/a.yaml", "A: 1\n" * 16, "16 lines, at most 15"),
    (too_long, "configs/deep/Base-a.yaml", "A: 1\n" * 51, "51 lines, at most 50"),
    (stray_cfg, "dense_det/layers/a.py", "def make_norm(cfg):\n    return cfg.MODEL.NORM", "cfg.MODEL"),
    (stray_cfg, "dense_det/data/a.py", "class A:\n    def f(self):\n        return self.cfg.SEED", "cfg.SEED"),
    (unsafe_reads, "dense_det/data/a.py", "import pickle\npickle.load(f)", "pickle.load"),
    (unsafe_reads, "dense_det/data/a.py", "from pickle import load", "import pickle whole"),
    (unsafe_reads, "tools/a.py", "import yaml\nyaml.load(f, Loader=yaml.Loader)", "yaml.safe_load"),
    (unsafe_reads, "tools/a.py", "import yaml\nyaml.unsafe_load(f)", "yaml.safe_load"),
    (unsafe_reads, "dense_det/engine/a.py", "torch.load(f)", "weights_only"),
    (unsafe_reads, "dense_det/engine/a.py", "torch.load(f, weights_only=False)", "weights_only"),
    (unsafe_reads, "dense_det/engine/checkpoint.py", "torch.load(f, weights_only=False)", "weights_only"),
    (unsafe_reads, "dense_det/data/a.py", "np.load(f, allow_pickle=True)", "allow_pickle"),
    (unsafe_reads, "tools/a.py", "cfg.merge_from_file(f)", "allow_unsafe=False"),
    (unsafe_reads, "datasets/prepare_a.py", "eval(text)", "eval"),
    (forbidden_detectron2, "tools/a.py", "from detectron2 import model_zoo", "model_zoo"),
    (forbidden_detectron2, "tests/test_a.py", "from detectron2 import _C", "_C"),
    (forbidden_detectron2, "dense_det/layers/a.py", "import detectron2.model_zoo as zoo", "model_zoo"),
    (prints, "dense_det/engine/a.py", "print('hello')", "print"),
]


@pytest.mark.parametrize(
    "rule, name, text, fault", BROKEN, ids=[f"{r.__name__}-{i}" for i, (r, *_) in enumerate(BROKEN)]
)
def test_a_rule_catches(tmp_path, rule, name, text, fault):
    faults = rule(house(tmp_path, {name: text}))
    assert len(faults) == 1 and fault in faults[0], faults


@pytest.mark.parametrize(
    "name, text",
    [
        ("dense_det/__init__.py", "from dense_det import engine, retinanet"),
        ("dense_det/backbones/a.py", "from dense_det.blocks import osa\nfrom dense_det.suggest import unknown"),
        ("dense_det/blocks/a.py", "from . import stem\nfrom ..layers.norm import get_norm\nimport detectron2.layers"),
        ("dense_det/blocks/b.py", "from dense_det import suggest"),
        ("dense_det/data/a.py", "def build_loader(cfg):\n    return [lambda: cfg.SEED]"),
        (
            "dense_det/retinanet/a.py",
            "class A:\n    @classmethod\n    def from_config(cls, cfg):\n        return cfg.MODEL",
        ),
        ("dense_det/backbones/build.py", "def arguments(cfg):\n    return cfg.MODEL"),
        ("dense_det/checkpoint.py", "torch.load(f, weights_only=False)"),
        ("dense_det/engine/a.py", "torch.load(f, map_location='cpu', weights_only=True)"),
        ("dense_det/engine/a.py", "model.eval()\nyaml.safe_load(f)"),
        ("dense_det/doctor/a.py", "print('OK')"),
        ("tools/a.py", "import dense_det\nfrom dense_det.engine import setup\nprint(1)"),
        ("configs/a.yaml", "# a reason\n" * 20 + "A: 1\n" * 15),
    ],
)
def test_the_rules_let_pass(tmp_path, name, text):
    root = house(tmp_path, {name: text, "dense_det/drawing.py": "", "dense_det/suggest.py": ""})
    assert [fault for rule in RULES for fault in rule(root)] == []


def test_a_room_that_is_gone_leaves_no_row(tmp_path):
    root = house(tmp_path, {})
    (root / "dense_det" / "analysis" / "__init__.py").unlink()
    assert broken_floors(root) == ["MAY_IMPORT has a row 'analysis', but no such room"]


def test_a_registry_host_is_found(tmp_path):
    root = house(tmp_path, {"README.md": "get it from https://" + REGISTRIES[0], ".gitignore": "output/\n"})
    house(root, {"output/log.txt": REGISTRIES[1]})
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "init", "-q"], cwd=root, env=clean, check=True)
    assert registry_hosts(root) == [f"README.md: {REGISTRIES[0]}"]
