import shutil

from dense_det.data.idcards.fonts import bundled_folder, find_families


def test_without_the_machines_fonts(tmp_path):
    families = find_families(tmp_path)
    assert [f.name for f in families["train"]] == ["DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif"]
    assert [f.name for f in families["val"]] == ["STIXGeneral"]


def test_a_folder_of_fonts_is_read_and_broken_files_survived(tmp_path):
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "cmr10.ttf"):
        shutil.copy(bundled_folder() / name, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    # DejaVu is matplotlib's own, cmr10 lacks accents: nothing is added
    assert find_families(tmp_path) == find_families(tmp_path / "nowhere")
