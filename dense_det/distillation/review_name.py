"""Which image an annotation tool means: CVAT and Label Studio often know only the end of a path."""

import os
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote_plus

from dense_det.distillation.image_name import printable

_LOCAL_FILES = "/data/local-files/?d="  # Label Studio's address of a file below its document root


class ReviewNames:
    """The images of a file of labels by all names that a tool may give them: absolute paths, or their ends.

    Labels leave out images without a kept box, which a person may have seen nevertheless: these are looked for as
    files, in the folders of the others and above.
    """

    def __init__(self, file_names: Iterable[str]):
        names = list(file_names)
        self._name_of = {printable(name): name for name in names} | {name: name for name in names}
        self._by_end = defaultdict(list)
        for spelling in self._name_of:
            self._by_end[spelling.rpartition("/")[2]].append(spelling)

    def find(self, name: str) -> str:
        """The file name of the one image that is meant.

        Raises:
            ValueError: there is none, or there are several.
        """
        if name in self._name_of:
            return self._name_of[name]
        _, address, path = name.partition(_LOCAL_FILES)
        if os.path.isabs(name) and not address:
            found = {name} if os.path.isfile(name) else set()
        else:
            found = self._ending_with(unquote_plus(path).lstrip("/") if address else name)
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
