"""Small trials of what dense_det stands on, run in a child process: what is broken may crash there.

Each probe returns facts for the table, or raises. This file is run by its path and imports nothing of dense_det.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def probe_torch() -> dict:
    import torch

    if (torch.ones(2, 3) @ torch.ones(3, 2)).sum() != 12:
        raise ArithmeticError("a matrix product of ones is wrong")
    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return {"version": torch.__version__, "threads": torch.get_num_threads(), "gpus": gpus}


def probe_torchvision() -> dict:
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6]])
    if torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() != [0, 2]:
        raise ArithmeticError("nms keeps the wrong boxes")
    return {"version": torchvision.__version__}


def probe_detectron2() -> dict:
    import detectron2
    from detectron2.data import transforms  # noqa: F401  fails on Pillow 10 in builds before mid-2023
    from detectron2.modeling import META_ARCH_REGISTRY, Backbone

    META_ARCH_REGISTRY.get("RetinaNet")
    if not hasattr(Backbone, "padding_constraints"):
        raise ImportError(f"detectron2 {detectron2.__version__} is too old (before mid-2023)")
    return {"version": detectron2.__version__, "folder": str(Path(detectron2.__file__).parent)}


def probe_numpy() -> dict:
    import numpy

    return {"version": numpy.__version__}


def probe_opencv() -> dict:
    import cv2
    import numpy

    if not cv2.imencode(".png", numpy.zeros((2, 2, 3), numpy.uint8))[0]:
        raise OSError("cannot encode a PNG")
    return {"version": cv2.__version__}


def probe_pycocotools() -> dict:
    from importlib.metadata import version

    from pycocotools import mask

    mask.frPyObjects([[0, 0, 2, 0, 2, 2]], 4, 4)
    return {"version": version("pycocotools")}


def probe_hotcoco() -> dict:
    from importlib.metadata import version

    import hotcoco  # noqa: F401

    return {"version": version("hotcoco")}


def probe_pypdfium2() -> dict:
    from importlib.metadata import version

    import pypdfium2  # noqa: F401

    return {"version": version("pypdfium2")}


def probe_dense_det() -> dict:
    from detectron2.modeling import BACKBONE_REGISTRY

    import dense_det

    BACKBONE_REGISTRY.get("build_vovnet_backbone")
    return {"version": dense_det.__version__, "folder": str(Path(dense_det.__file__).parent)}


PROBES: dict[str, Callable[[], dict]] = {
    name.removeprefix("probe_"): probe for name, probe in list(globals().items()) if name.startswith("probe_")
}


def run_probes(names: list[str]) -> None:
    """In the child: one line of JSON before and after each probe, so that a crash tells whose it was."""
    for name in names:
        print(json.dumps({"dense_det probe": name}), flush=True)
        try:
            facts = PROBES[name]()
        except Exception as error:
            message = str(error).strip().splitlines() or ["no message"]
            facts = {"error": f"{type(error).__name__}: {message[0]}"}
        print(json.dumps({"dense_det probe": name, "facts": facts}), flush=True)


def gather(timeout_s: float = 240) -> dict[str, dict]:
    """The facts of every probe, or {"error": ...}; a probe that crashes or hangs costs only itself."""
    facts = {}
    while remaining := [name for name in PROBES if name not in facts]:
        start = "import runpy, sys; runpy.run_path(sys.argv[1])['run_probes'](sys.argv[2:])"
        child = [sys.executable, "-c", start, __file__, *remaining]
        with tempfile.TemporaryFile("w+") as out:
            try:
                code = subprocess.run(child, stdout=out, stderr=subprocess.DEVNULL, timeout=timeout_s).returncode
                end = f"crashed: {signal.Signals(-code).name}" if code < 0 else f"ended Python with {code}"
            except subprocess.TimeoutExpired:
                end = f"did not end within {timeout_s:g} s"
            out.seek(0)
            lines = [json.loads(line) for line in out if line.startswith('{"dense_det probe"')]
        facts |= {line["dense_det probe"]: line["facts"] for line in lines if "facts" in line}
        if any(name not in facts for name in remaining):
            guilty = lines[-1]["dense_det probe"] if lines else remaining[0]
            facts[guilty] = {"error": end}
    return facts
