"""What dense_det is called, what it needs, and what is extra. Exact, checked-together versions: constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

VERSION = re.search(r'__version__ = "(.+?)"', Path(__file__).with_name("dense_det").joinpath("__init__.py").read_text())

TRAIN = [  # everything but dense_det.deploy.runtime, which runs exported detectors
    "torch>=2.6",
    "torchvision>=0.21",
    "fvcore>=0.1.5",
    "pycocotools>=2.0.8",  # the first that runs on NumPy 2
    "matplotlib>=3.8",
    "PyYAML>=6.0",
    "yacs>=0.1.8",
]
EVAL = ["hotcoco>=1.3"]  # COCO metrics several times faster than pycocotools, the same numbers
ONNX = ["onnxruntime>=1.20"]  # runs ONNX files: exported detectors, and other people's as teachers
# detectors as ONNX files, each run before it gets its name; onnx writes the tests' tiny detectors, too
EXPORT = ["onnx>=1.17", "onnxscript>=0.5", *ONNX]
OPENVINO = ["openvino>=2025.0", "nncf>=2.15"]  # 200 MB: the fastest engine on Intel's CPUs, and 8-bit integers for it
PDF = ["pypdfium2>=5.0"]  # pages and boxes from born-digital PDFs
RAY = ["ray>=2.9"]  # pseudo-labels on a cluster
SCENES = ["scikit-image>=0.25", "faker>=30"]  # photographs and faces, and names, of invented ID documents
WEIGHTS = ["safetensors>=0.4"]  # other people's weights in .safetensors files

setup(
    name="dense_det",
    version=VERSION[1],
    description="Small, fast document detectors for Detectron2, on CPU and GPU",
    license="Apache-2.0",
    packages=find_packages(include=["dense_det*"]),
    package_data={"dense_det.deploy": ["page.html"]},
    python_requires=">=3.11",  # tested on 3.11 and 3.12
    # what runs an exported detector; an extra can add to it, but not take away, so torch belongs to "train"
    install_requires=[
        "numpy>=2.0",
        "opencv-python-headless>=4.10",  # headless: the other one needs libGL, which a bare server lacks
        "Pillow>=10.1",
    ],
    extras_require={
        # Detectron2 is missing here because no index has it under its name: tools/install_detectron2.py installs it.
        "train": TRAIN,
        "runtime": ONNX,
        "export": EXPORT,
        "openvino": OPENVINO,
        "eval": EVAL,
        "onnx": ONNX,
        "pdf": PDF,
        "ray": RAY,
        "scenes": SCENES,
        "weights": WEIGHTS,
        "test": [
            "pytest>=8.0",
            "pytest-xdist>=3.5",
            "hypothesis>=6.100",
            "ruff>=0.9",
            "timm>=1.0",  # whose networks ours are compared with
            *TRAIN,
            *EVAL,
            *EXPORT,
            *ONNX,
            *OPENVINO,
            *PDF,
            *RAY,
            *SCENES,
            *WEIGHTS,
        ],
    },
)
