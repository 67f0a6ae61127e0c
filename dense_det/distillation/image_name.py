"""What a page calls an image: by its file, or by its number alone, where nobody is to learn the file's name."""

from dense_det.distillation.work_folder import Failure, InputImage, Rejected


def full_name(image: InputImage | Failure | Rejected, hide: bool = False) -> str:
    """The path, the member of a tar file, the page from 1; or "image 17" by the id, which a plan never changes, and
    which bad files that it left out do not have."""
    if hide:
        return "a bad file" if image.id is None else f"image {image.id}"
    page = "" if image.page is None else f", page {image.page + 1}"
    return printable(image.file_name + (f" {image.member}" if image.member else "")) + page


def short_name(image: InputImage | Failure, hide: bool = False) -> str:
    """As full_name, without folders and without the tar file."""
    if hide:
        return full_name(image, hide)
    page = "" if image.page is None else f", page {image.page + 1}"
    return printable((image.member or image.file_name).rpartition("/")[2]) + page


def printable(name) -> str:
    """A path whose bytes are no UTF-8, or that breaks the line, with escapes, so that it can be written anywhere."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def reason_without_name(reason: str, image: InputImage | Failure) -> str:
    """A failure's reason in which the operating system may have named the file."""
    for name in filter(None, (image.file_name, image.member)):
        for spelling in (name, repr(name)[1:-1], name.rpartition("/")[2]):
            reason = reason.replace(spelling, full_name(image, hide=True)) if spelling else reason
    return printable(reason)
