"""Images in a zip, under other names."""

import os
import zipfile

import pytest

from dense_det.distillation.image_zip import write_image_zip


def test_bytes_and_names_as_given(tmp_path):
    odd = tmp_path / "b\udcff.jpg"
    odd.write_bytes(b"second" * 99)
    (tmp_path / "a.jpg").write_bytes(b"first")
    os.utime(odd, (0, 0))  # 1970; a zip knows no time before 1980
    write_image_zip(tmp_path / "out.zip", {str(odd): "deep/b\udcff.jpg", str(tmp_path / "a.jpg"): "1.jpg"})
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert [(info.filename, info.file_size, info.compress_type) for info in archive.infolist()] == [
            ("1.jpg", 5, zipfile.ZIP_STORED),
            ("deep/b\\udcff.jpg", 594, zipfile.ZIP_STORED),
        ]
        assert archive.testzip() is None and archive.read("1.jpg") == b"first"


def test_an_image_that_is_gone_leaves_the_old_zip(tmp_path):
    (tmp_path / "out.zip").write_text("old")
    with pytest.raises(FileNotFoundError, match="gone.jpg"):
        write_image_zip(tmp_path / "out.zip", {str(tmp_path / "gone.jpg"): "gone.jpg"})
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]
    assert (tmp_path / "out.zip").read_text() == "old"
