import os
import stat

import pytest

from dense_det.atomic_file import atomic_file


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


def test_appending_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'a'"), atomic_file(tmp_path / "d", "a"):
        pass
