"""What an annotation tool calls an image, and which one it means: CVAT and Label Studio know the end of a path only."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote_plus

from dense_det.distillation.image_name import printable

_LOCAL_FILES = "/data/local-files/?d="  # Label Studio's address of a file below its document root


def common_folder(file_names: Iterable[str]) -> str:
    """The innermost folder above all files, as an absolute path; the root of the file system above none."""
    return os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in file_names] or [os.sep])


def names_below(root, file_names: Iterable[str]) -> dict[str, str]:
    """Each file by its path from `root`, with /.

    Raises:
        ValueError: one lies elsewhere.
    """
    names = {file_name: os.path.relpath(file_name, root).replace(os.sep, "/") for file_name in file_names}
    if outside := next((file_name for file_name, name in names.items() if name.split("/")[0] == os.pardir), None):
        raise ValueError(f"{printable(outside)} does not lie below --root {root}: name a folder above all images")
    return names


def local_files_url(name: str) -> str:
    """Label Studio's address of the file that has this path from its document root; ReviewNames reads it back."""
    return _LOCAL_FILES + quote(name.encode("utf-8", "surrogateescape"))


class ReviewNames:
    """The images of a file of labels by all names that a tool may give them.

    What export called an image is that image. Other names are absolute paths, or their ends. Labels leave out images
    without a kept box, which a person may have seen nevertheless: these are looked for as files, in the folders of the
    others and above.

    Args:
        exported: of each name that export wrote the images that it ever meant; see untouched.py.
    """

    def __init__(self, file_names: Iterable[str], exported: Mapping[str, Iterable[str]] | None = None):
        names = list(file_names)
        self._name_of = {printable(name): name for name in names} | {name: name for name in names}
        self._by_end = defaultdict(list)
        for spelling in self._name_of:
            self._by_end[spelling.rpartition("/")[2]].append(spelling)
        self._exported = defaultdict(set)
        for name, meant in (exported or {}).items():
            for spelling in {name, printable(name)}:
                self._exported[spelling].update(meant)

    def find(self, name: str) -> str:
        """The file name of the one image that is meant.

        Raises:
            ValueError: there is none, or there are several.
        """
        if name in self._name_of:
            return self._name_of[name]
        _, address, path = name.partition(_LOCAL_FILES)
        end = unquote_plus(path, errors="surrogateescape").lstrip("/") if address else name
        if end in self._exported:
            found = set(self._exported[end])
        elif os.path.isabs(end):
            found = {end} if os.path.isfile(end) else set()
        else:
            found = self._ending_with(end)
        if len(found) == 1:
            return found.pop()
        if found:
            raise ValueError(f"{name} may be any of {', '.join(sorted(found)[:3])}: give it more of its folders")
        raise ValueError(
            f"no image of the labels is {name} or ends so, and no such file lies in their folders: give it the name "
            "that the labels have"
        )

    def _ending_with(self, end: str) -> set[str]:
        known = {self._name_of[name] for name in self._by_end[end.rpartition("/")[2]] if name.endswith(f"/{end}")}
        return known | {path for folder in self._folders if os.path.isfile(path := os.path.join(folder, end))}

    @cached_property
    def _folders(self) -> set[str]:
        own = {Path(name).parent for name in self._name_of.values()}
        return {str(folder) for path in own for folder in (path, *path.parents)}
