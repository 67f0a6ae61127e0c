"""A zip of images, of which an annotation tool makes a task."""

import zipfile
from collections.abc import Mapping

from dense_det.atomic_file import atomic_file
from dense_det.distillation.image_name import printable


def write_image_zip(path, names: Mapping[str, str]) -> None:
    """The bytes of each file under its name in `names`, in the order of these; images do not shrink, so none is packed.

    Names that are no text are written as image_name.printable has them, as in CVAT's XML.

    Raises:
        OSError: an image that is gone, among others; no zip is left behind.
    """
    with atomic_file(path, "wb") as file, zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for file_name, name in sorted(names.items(), key=lambda item: item[1]):
            archive.write(file_name, printable(name))
