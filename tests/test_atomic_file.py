import errno
import os
import stat

import pytest

from dense_det.atomic_file import atomic_file, create_file


def test_the_file_appears_whole_with_its_folders(tmp_path):
    with atomic_file(tmp_path / "a" / "b.txt") as file:
        file.write("é")
        assert not (tmp_path / "a" / "b.txt").exists()
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "é"


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "b.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path, "wb") as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["b.bin"]


def test_others_may_read_as_the_umask_says(tmp_path):
    old = os.umask(0o022)
    try:
        with atomic_file(tmp_path / "c") as file:
            file.write("c")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o644


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(OSError, match="the disk is full: make room") as error, atomic_file(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_only_the_first_creates(tmp_path):
    assert create_file(tmp_path / "a" / "b", "first") and not create_file(tmp_path / "a" / "b", "second")
    assert (tmp_path / "a" / "b").read_text() == "first" and os.listdir(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_only_the_first_creates_where_there_are_no_hard_links(tmp_path, monkeypatch, number):
    def refuse(source, target):
        raise OSError(number, os.strerror(number), source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    test_only_the_first_creates(tmp_path)


def test_another_error_than_of_links_is_raised(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="Read-only"):
        create_file(tmp_path / "a", "first")
    assert os.listdir(tmp_path) == []


def test_appending_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'a'"), atomic_file(tmp_path / "d", "a"):
        pass
