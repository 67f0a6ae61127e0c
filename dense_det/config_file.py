"""Config files as they say it: safe YAML, and the chain of files that `_BASE_` leads to."""

from pathlib import Path

import yaml

from dense_det import yaml_formula
from dense_det.suggest import no_folder, unknown


def read_chain(path: Path, children: tuple[Path, ...] = ()) -> list[tuple[Path, dict]]:
    """The file and those that its `_BASE_` leads to, ground first, each with what it says itself.

    Raises:
        FileNotFoundError, ValueError: as `read_yaml`; a chain that leads back to one of its files.
    """
    if path.resolve() in children:
        raise ValueError(f"{path}: _BASE_ leads back to this file")
    tree = read_yaml(path)
    base = tree.get("_BASE_")
    below = read_chain(path.parent / Path(base).expanduser(), (*children, path.resolve())) if base is not None else []
    return [*below, (path, tree)]


def read_yaml(path: Path) -> dict:
    """What a config file itself says, `_BASE_` not followed.

    Raises:
        FileNotFoundError: no such file; the nearest names of its folder are suggested.
        ValueError: YAML that does not parse, is not safe, is empty, or is no mapping.
    """
    if not path.is_file():
        if not path.parent.is_dir():
            raise FileNotFoundError(no_folder(path.parent))
        names = sorted(p.name for p in path.parent.glob("*.yaml"))
        raise FileNotFoundError(unknown(f"config file in {path.parent}/", path.name, names))
    try:
        tree = yaml_formula.read(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a safe YAML file: {error}") from error
    if not isinstance(tree, dict):
        got = "none" if tree is None else f"a {type(tree).__name__}"
        raise ValueError(f"{path}: expected KEY: VALUE lines, got {got}")
    return tree
