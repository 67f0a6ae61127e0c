"""Tar files of any origin, walked once from their beginning, whatever is wrong with them."""

import lzma
import tarfile
import zlib
from collections.abc import Iterator

# headers that tell of the next one, as long names do: tarfile reads them whole, and slowly (CVE-2024-6232)
_HEADER_TYPES = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_MOST_HEADER_BYTES = 1 << 14
TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, zlib.error, lzma.LZMAError)


class _Member(tarfile.TarInfo):
    """A member whose header leads neither back (CVE-2025-8194) nor to a name that fills the memory."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type in _HEADER_TYPES and member.size > _MOST_HEADER_BYTES):
            raise tarfile.InvalidHeaderError(f"a size of {member.size}")
        return member


def open_tar(path: str) -> tarfile.TarFile:
    """An archive of any compression.

    Raises:
        tarfile.ReadError: no archive, or an empty one: lzma takes zeros for its own, and looks at all of them.
    """
    with open(path, "rb") as file:
        if _is_blank(file.read(tarfile.BLOCKSIZE)):
            raise tarfile.ReadError("zeros or nothing at its beginning, as in an empty archive")
    return tarfile.open(path, tarinfo=_Member)


def members_of(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members one after the other; tarfile itself would remember all of them.

    Raises:
        tarfile.ReadError: a damaged header, which tarfile takes for the end: that is two blocks of zeros, or nothing.
    """
    while (member := archive.next()) is not None:
        if member.size < 0 or archive.offset <= member.offset:  # a PAX header may say so, too
            raise tarfile.ReadError(f"a size of {member.size} at byte {member.offset}")
        yield member
        archive.members.clear()
    archive.fileobj.seek(archive.offset)
    if not _is_blank(archive.fileobj.read(2 * tarfile.BLOCKSIZE)):
        raise tarfile.ReadError(f"damaged header at byte {archive.offset}")


def _is_blank(block: bytes) -> bool:
    return not block.strip(b"\0")
