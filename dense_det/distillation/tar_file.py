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
_MOST_ZEROS = 1 << 24  # behind an archive, in which another one is looked for
TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, zlib.error, lzma.LZMAError)


class LargeHeader(ValueError):
    """A sound header that is not read: of more than one could want to know of a member."""


class _Member(tarfile.TarInfo):
    """A member whose header leads neither back (CVE-2025-8194) nor to a name that fills the memory."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0:
            raise tarfile.InvalidHeaderError(f"a size of {member.size}")
        if member.type in _HEADER_TYPES and member.size > _MOST_HEADER_BYTES:  # no HeaderError: open would try on
            raise LargeHeader(
                f"a member with {member.size} bytes of names and attributes; at most {_MOST_HEADER_BYTES} are read: "
                "pack it again without them (tar --no-xattrs)"
            )
        return member


def open_tar(path: str) -> tarfile.TarFile:
    """An archive of any compression.

    Raises:
        tarfile.ReadError: no archive, or an empty one: lzma takes zeros for its own, and looks at all of them.
        LargeHeader: the first member has one.
    """
    with open(path, "rb") as file:
        if _is_blank(file.read(tarfile.BLOCKSIZE)):
            raise tarfile.ReadError("zeros or nothing at its beginning, as in an empty archive")
    return tarfile.open(path, tarinfo=_Member)


def members_of(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members one after the other; tarfile itself would remember all of them, and stop where cat joined two files.

    Raises:
        tarfile.ReadError: a damaged header, which tarfile takes for the end: that is two blocks of zeros, or nothing.
        LargeHeader: a member has one.
    """
    while True:
        while (member := archive.next()) is not None:
            if member.size < 0 or archive.offset <= member.offset:  # a PAX header may say so, too
                raise tarfile.ReadError(f"a size of {member.size} at byte {member.offset}")
            yield member
            archive.members.clear()
        archive.fileobj.seek(archive.offset)
        if not _is_blank(archive.fileobj.read(2 * tarfile.BLOCKSIZE)):
            raise tarfile.ReadError(f"damaged header at byte {archive.offset}")
        if not _goes_on(archive):
            return


def _goes_on(archive: tarfile.TarFile) -> bool:
    """Whether something stands behind the zeros at an archive's end (`cat a.tar b.tar`); it is what comes next."""
    for _ in range(_MOST_ZEROS // tarfile.BLOCKSIZE):
        block = archive.fileobj.read(tarfile.BLOCKSIZE)
        if not _is_blank(block):
            archive.offset = archive.fileobj.tell() - len(block)
            archive.fileobj.seek(archive.offset)  # next would look back one byte more: from the beginning of a .gz
            return True
        if not block:
            break
    return False


def _is_blank(block: bytes) -> bool:
    return not block.strip(b"\0")
