"""What lies in folders, lists and tar files, and that nothing of it goes unnamed, however damaged."""

import io
import os
import tarfile

import numpy as np
import pytest

from dense_det.distillation.sources import Expansion

BLOCK = tarfile.BLOCKSIZE


def found(source) -> list[tuple]:
    """(name of file or member, reason) of each candidate."""
    candidates = Expansion().candidates(str(source))
    return [(c.member or os.path.basename(c.file_name), c.reason) for c in candidates]


@pytest.fixture
def tar(tmp_path):
    """A function that writes a tar file of six members of one block, 0.jpg ... 5.jpg, and gives its path."""

    def write(name: str, mode: str = "w", form=tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / name, mode, format=form) as archive:
            for k in range(6):
                info = tarfile.TarInfo(f"{k}.jpg")
                info.size = BLOCK
                archive.addfile(info, io.BytesIO(np.random.default_rng(k).bytes(BLOCK)))
        return tmp_path / name

    return write


DAMAGED = "damaged tar file, from here on: ReadError: damaged header at byte 2048"


def overwrite(path, start: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(content)


def with_size(info: tarfile.TarInfo, size: int) -> bytes:
    """Its header, of any size."""
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    header[148:156] = b"        "
    header[148:156] = f"{tarfile.calc_chksums(bytes(header))[0]:06o}\0 ".encode()
    return bytes(header)


@pytest.mark.parametrize("content", [b"X", bytes(BLOCK)], ids=["a byte", "zeros"])
def test_a_damaged_header_inside_a_tar_is_named(tar, content):
    overwrite(path := tar("a.tar"), 4 * BLOCK, content)
    *members, (name, reason) = found(path)
    assert members == [("0.jpg", ""), ("1.jpg", "")]
    assert (name, reason) == ("a.tar", DAMAGED)


@pytest.mark.parametrize("size", [-BLOCK, -2 * BLOCK, -4 * BLOCK, -100_000, -(2**60)])
def test_a_size_below_zero_leads_round_in_no_circle(tar, size):
    """CVE-2025-8194: the next header would lie before this one."""
    info = tarfile.TarInfo("2.jpg")
    overwrite(path := tar("a.tar"), 4 * BLOCK, with_size(info, size))
    assert found(path) == [("0.jpg", ""), ("1.jpg", ""), ("a.tar", DAMAGED)]
    info.type = tarfile.GNUTYPE_LONGNAME
    overwrite(path := tar("a.tar"), 4 * BLOCK, with_size(info, size))
    assert found(path) == [("0.jpg", ""), ("1.jpg", ""), ("a.tar", DAMAGED)]


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_that_tarfile_would_read_whole_is_named(tar, kind, at):
    info = tarfile.TarInfo("2.jpg")
    info.type = kind
    overwrite(path := tar("a.tar"), at * 2 * BLOCK, with_size(info, 1 << 15))
    *members, (name, reason) = found(path)
    assert members == [("0.jpg", ""), ("1.jpg", "")][:at] and name == "a.tar"
    assert reason.startswith("not read from here on: a member with 32768 bytes of names and attributes; at most 16384")


@pytest.mark.parametrize("suffix, mode", [("", "w"), (".gz", "w:gz")])
def test_tars_that_cat_joined_are_read_to_the_end(tar, suffix, mode):
    path, other = tar(f"a.tar{suffix}", mode), tar(f"b.tar{suffix}", mode)
    path.write_bytes(path.read_bytes() + 2 * other.read_bytes())
    assert found(path) == 3 * [(f"{k}.jpg", "") for k in range(6)]


def test_what_stands_behind_a_tar_and_is_none_is_named(tar):
    with open(path := tar("a.tar"), "ab") as file:
        file.write(b"signed")
    *members, last = found(path)
    assert len(members) == 6
    assert last == ("a.tar", "damaged tar file, from here on: ReadError: damaged header at byte 10240")


def test_links_in_a_tar_are_named(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
        for kind, name, target in (
            (tarfile.LNKTYPE, "b.png", "a.png"), (tarfile.SYMTYPE, "c.png", "scan.bin"),
            (tarfile.SYMTYPE, "d", "a.png"), (tarfile.DIRTYPE, "e.png", ""),
        ):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    assert found(tmp_path / "a.tar") == [
        ("a.png", ""),
        ("b.png", "a link, whose target has its own entry: a.png"),
        ("c.png", "a link, whose target is not named like an image, so unpack it: scan.bin"),
        ("d", ""),
        ("e.png", ""),
    ]


def test_a_size_below_zero_in_a_pax_header(tar):
    info = tarfile.TarInfo("2.jpg")
    info.pax_headers = {"size": str(-3 * BLOCK)}
    header = info.tobuf(tarfile.PAX_FORMAT)
    assert len(header) == 3 * BLOCK
    overwrite(path := tar("a.tar"), 4 * BLOCK, header)
    *members, (name, reason) = found(path)
    assert members == [("0.jpg", ""), ("1.jpg", "")] and name == "a.tar"
    assert reason.startswith("damaged tar file, from here on: ReadError: ")  # later Pythons have words of their own


def test_headers_that_tell_of_the_next_one_without_end(tmp_path):
    info = tarfile.TarInfo("name")
    info.type = tarfile.GNUTYPE_LONGNAME
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) * 2000)
    ((name, reason),) = found(tmp_path / "a.tar")
    assert name == "a.tar" and reason.startswith("damaged tar file, from here on: ")


@pytest.mark.parametrize("size", [12 * BLOCK, 13 * BLOCK, 14 * BLOCK, 20 * BLOCK])
def test_a_tar_may_end_with_zeros_or_without(tar, size):
    os.truncate(path := tar("a.tar"), size)
    assert found(path) == [(f"{k}.jpg", "") for k in range(6)]


def test_a_tar_cut_within_a_header_is_named(tar):
    os.truncate(path := tar("a.tar"), 4 * BLOCK + 100)
    assert [name for name, _ in found(path)] == ["0.jpg", "1.jpg", "a.tar"]


@pytest.mark.parametrize("suffix, mode", [("gz", "w:gz"), ("xz", "w:xz"), ("bz2", "w:bz2")])
def test_a_damaged_compressed_tar_is_named_in_one_line(tar, suffix, mode):
    path, num_named = tar(f"a.tar.{suffix}", mode), 0
    for start in range(0, path.stat().st_size - 20, 97):
        whole = path.read_bytes()
        overwrite(path, start, bytes(255 - byte for byte in whole[start : start + 20]))
        members = [name for name, reason in found(path) if not reason]
        assert members == [f"{k}.jpg" for k in range(len(members))]
        if len(members) < 6:  # else the bytes of a picture were hit, which decoding it shows
            name, reason = found(path)[-1]
            assert name == path.name and reason.startswith("damaged tar file") and "\n" not in reason
            num_named += 1
        path.write_bytes(whole)
    assert num_named > 10


def test_a_tar_of_zeros_is_not_searched(tmp_path, monkeypatch):
    monkeypatch.setattr(tarfile, "open", None)  # lzma would look at all of them, minutes for a gigabyte
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(3 * BLOCK))
    reason = "damaged tar file, from here on: ReadError: zeros or nothing at its beginning, as in an empty archive"
    assert found(path) == [("a.tar", reason)]


@pytest.mark.parametrize("name", ["a.tar", "a.pdf"])
def test_pipes_and_missing_files_are_not_opened(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "list.txt").write_text(f"gone.tar\n{name}\n")
    assert found(tmp_path / "list.txt") == [("gone.tar", ""), (name, "")], "`inspect` knows the reason"


def test_links_to_folders_and_unreadable_folders_are_named(tmp_path, monkeypatch):
    for name in ("a", "closed", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jpg").touch()
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    scandir = os.scandir

    def refuse(path):  # chmod would not keep root out
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path) == [
        ("round", "a link to a folder, which is not followed: name the folder itself"),
        ("a.jpg", ""),
        ("z.jpg", ""),
        ("closed", "a folder that cannot be read: PermissionError: Permission denied"),
    ]


def test_lists_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.jpg\nb\xff.jpg\n")
    assert found(tmp_path / "list.txt") == [("a.jpg", ""), ("b\udcff.jpg", "")]
    (tmp_path / "coco.json").write_text('{"images": [{"file_name": "a.jpg"}]}', encoding="utf-8-sig")
    assert found(tmp_path / "coco.json") == [("a.jpg", "")]
    (tmp_path / "deep.json").write_text('{"images": ' + "[" * 100_000)
    with pytest.raises(ValueError, match='deep.json: no COCO file with "images": RecursionError'):
        found(tmp_path / "deep.json")


def test_a_file_whose_name_begins_as_a_comment(tmp_path):
    (tmp_path / "#1.png").touch()
    (tmp_path / "list.txt").write_text("# two of three\n#1.png\n#2.png\na.png\n")
    assert found(tmp_path / "list.txt") == [("#1.png", ""), ("a.png", "")]


@pytest.mark.parametrize("content", ["é.png\nb.png\n".encode("utf-16"), b"\xfe\xff", b"a.png\0b.png\0", b"a\0\n\0"])
def test_lists_of_other_encodings_are_refused(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"list\.txt: null bytes, as in UTF-16 or .* Save it so"):
        found(tmp_path / "list.txt")


def test_folders_and_patterns_in_a_list_are_told_where_they_belong(tmp_path):
    (tmp_path / "a[1].png").touch()
    (tmp_path / "list.txt").write_text(".\n*.png\na[1].png\n")
    folder, pattern, file = found(tmp_path / "list.txt")
    assert folder == (tmp_path.name, "a folder: give it as a source of its own, a list names files")
    assert pattern[1].startswith("no such file; if it is a pattern, give it as a source of its own")
    assert file == ("a[1].png", "")
