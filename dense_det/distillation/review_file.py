"""A file of an annotation tool with a person's boxes."""

import zipfile
import zlib

from dense_det.distillation.cvat import read_cvat
from dense_det.distillation.label_studio import read_label_studio
from dense_det.distillation.review import ReviewImage

_IN_ZIP = "annotations.xml"
_OF_ANOTHER_TREE = LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
_OF_A_DAMAGED_ZIP = zipfile.BadZipFile, zlib.error, EOFError, RuntimeError  # the last: encrypted


def read_review(path) -> list[ReviewImage]:
    """The images that a person has seen: from CVAT's XML or the ZIP file that it stands in, else Label Studio's JSON.

    Raises:
        ValueError: another file, or a box that cannot be; it names the file and the image.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        return (read_cvat if str(path).lower().endswith(".xml") else read_label_studio)(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except _OF_ANOTHER_TREE as error:
        raise ValueError(f"{path}: no export of Label Studio or CVAT ({type(error).__name__}: {error})") from error


def _read_zip(path) -> list[ReviewImage]:
    try:
        with zipfile.ZipFile(path) as archive:
            if _IN_ZIP not in archive.namelist():
                raise ValueError(f'a ZIP file without {_IN_ZIP}: export from CVAT as "CVAT for images 1.1"')
            with archive.open(_IN_ZIP) as file:
                return read_cvat(file)
    except _OF_A_DAMAGED_ZIP as error:
        raise ValueError(f"a damaged ZIP file ({type(error).__name__}: {error}): export it again") from error
