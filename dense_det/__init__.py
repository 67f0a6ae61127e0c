"""dense_det: small, fast document detectors for Detectron2. Importing it registers everything by name."""

import importlib.util
import sys
import warnings

from dense_det.environment import prepare_process

__version__ = "0.1.0"

prepare_process()

# the doctor is what one runs when Detectron2 is missing: it must start without it
if "dense_det.doctor" not in sys.orig_argv:
    if importlib.util.find_spec("detectron2") is None:
        raise ImportError(
            "dense_det needs Detectron2, which is not installed: run `make setup` in the repository, or "
            "`python tools/install_detectron2.py`, and `python -m dense_det.doctor` to see what else is missing."
        )
    # Detectron2 and fvcore compile functions with it when they are imported; nobody here can change that
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated", category=FutureWarning)
    from dense_det import backbones, blocks, centermask, layers, retinanet, roi_heads  # noqa: F401  they register
    from dense_det.config import add_dense_det_config, get_cfg, load_cfg  # noqa: F401
    from dense_det.data.catalog import register_builtin

    register_builtin()
