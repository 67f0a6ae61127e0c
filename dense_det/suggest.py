"""Messages for a name that was not found: what came, what was probably meant, what there is."""

import difflib
from pathlib import Path


def unknown(kind: str, name: str, known, near=()) -> str:
    """ "no VoVNet variant named 'V-93'; did you mean 'V-39-eSE'? Known: ..." for an error's text.

    Args:
        kind: what was looked for, as a noun ("config key", "file in configs/").
        known: the names there are; nearest ones are named first, and all of them when they are few.
        near: what was probably meant, where the caller knows better than a comparison of letters.
    """
    known = [str(k) for k in known]
    near = list(near) or difflib.get_close_matches(str(name), known, n=3, cutoff=0.6)
    lower = {k.lower(): k for k in known}
    near = near or [lower[k] for k in difflib.get_close_matches(str(name).lower(), list(lower), n=3, cutoff=0.6)]
    message = f"no {kind} named {name!r}"
    message += "; did you mean " + " or ".join(repr(k) for k in near) + "?" if near else "."
    if known and len(known) <= 20:
        message += f" Known: {', '.join(known)}"
    return message


def no_folder(folder: Path) -> str:
    """ "no folder named 'zoo/snet_docpag'; did you mean 'zoo/snet_docpages'? ..." for an error's text."""
    above = folder.parent
    if not above.is_dir():
        return f"no folder {folder}: {above} is not there either"
    return unknown("folder", str(folder), sorted(str(path) for path in above.iterdir() if path.is_dir()))
