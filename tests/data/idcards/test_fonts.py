import shutil

import pytest

from dense_det.data.idcards import fonts
from dense_det.data.idcards.fonts import bundled_folder, find_families


def test_the_machines_fonts_do_not_count(monkeypatch):
    monkeypatch.setattr(fonts, "_scan", lambda folder: 1 / 0)
    families = find_families()
    assert [f.name for f in families["train"]] == ["DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif"]
    assert [f.name for f in families["val"]] == ["STIXGeneral"]


def test_a_folder_of_fonts_is_read_and_broken_files_survived(tmp_path):
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "cmr10.ttf"):
        shutil.copy(bundled_folder() / name, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    # DejaVu is matplotlib's own, cmr10 lacks accents: nothing is added
    assert find_families(tmp_path) == find_families()


def test_a_folder_of_fonts_adds_families(tmp_path, monkeypatch):
    faces = bundled_folder() / "DejaVuSans.ttf", bundled_folder() / "DejaVuSans-Bold.ttf"
    monkeypatch.setattr(fonts, "_scan", lambda folder: {"Lato": faces, "Roboto": faces, "DejaVu Sans": faces})
    added = {family.name for split in find_families(tmp_path).values() for family in split}
    assert added - {family.name for split in find_families().values() for family in split} == {"Lato", "Roboto"}
    with pytest.raises(ValueError, match="no folder of typefaces: .*nowhere"):
        find_families(tmp_path / "nowhere")
