"""dense_det: small, fast document detectors for Detectron2. Importing it registers everything by name.

Without Detectron2 it registers nothing, and what needs neither it nor torch works:
dense_det.deploy.runtime and the doctor.
"""

import importlib.abc
import importlib.util
import sys
import warnings

from dense_det.environment import prepare_process

__version__ = "0.1.0"

prepare_process()


class _Hint(importlib.abc.MetaPathFinder):
    """Asked after all others, so only when Detectron2 is wanted and missing: says what to do."""

    def find_spec(self, name, path=None, target=None):
        if name == "detectron2":
            raise ModuleNotFoundError(
                "dense_det needs Detectron2, which is not installed: run `make setup` in the repository, or "
                "`python tools/install_detectron2.py`, and `python -m dense_det.doctor` to see what else is missing.",
                name=name,
            )


# the doctor looks at a broken Detectron2 from outside: it must start without it
if "dense_det.doctor" in sys.orig_argv:
    pass
elif importlib.util.find_spec("detectron2") is None:
    sys.meta_path.append(_Hint())
else:
    # Detectron2 and fvcore compile functions with it when they are imported; nobody here can change that
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated", category=FutureWarning)
    warnings.filterwarnings("ignore", message=r"torch\.meshgrid: in an upcoming release")  # of its anchors
    from dense_det import backbones, blocks, centermask, layers, retinanet, roi_heads  # noqa: F401  they register
    from dense_det.config import add_dense_det_config, get_cfg, load_cfg  # noqa: F401
    from dense_det.data.catalog import register_builtin

    register_builtin()
