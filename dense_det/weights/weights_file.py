"""A file of weights, found before it is read."""

from pathlib import Path

from dense_det.suggest import unknown

SUFFIXES = (".pth", ".pt", ".pkl", ".tar", ".bin", ".safetensors")


def weights_file(path) -> Path:
    """`path`, where there is a file.

    Raises:
        FileNotFoundError: no such file; the nearest names of its folder are suggested.
        ValueError: an address (nothing is downloaded).
    """
    if "://" in str(path):
        raise ValueError(f"{path}: weights are read from files, nothing is downloaded: fetch it and give the path")
    path = Path(path)
    if not path.is_file():
        files = path.parent.iterdir() if path.parent.is_dir() else []
        there = sorted(file.name for file in files if file.suffix in SUFFIXES)
        raise FileNotFoundError(unknown(f"weights file in {path.parent}/", path.name, there))
    return path
