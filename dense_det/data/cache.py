"""Where prepared data is kept between runs."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$DENSE_DET_CACHE, or dense_det/ in $XDG_CACHE_HOME or ~/.cache; never inside the repository."""
    own = os.environ.get("DENSE_DET_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dense_det"
