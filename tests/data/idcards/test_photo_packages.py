from dense_det.data.idcards import photo_packages
from dense_det.data.idcards.photo_packages import package_photos
from dense_det.data.packages import Package


def test_photographs_are_told_by_name_and_what_is_missing_is_told(tmp_path, monkeypatch):
    inside = {
        "mate-backgrounds": ["a/Dune.jpg", "a/Silk.png", "b/Dune.jpg"],
        "lomiri-wallpapers-16.04": ["Bridge.jpg", "Forever_by_umang.jpg"],
    }
    packages = [Package(name, "9", tmp_path / f"{name}.deb") for name in inside]
    monkeypatch.setattr(
        photo_packages, "fetch_packages", lambda wanted, folder: (packages, {"opencv-doc": "no network"})
    )
    monkeypatch.setattr(
        photo_packages, "unpack_files", lambda package, folder, suffixes: [tmp_path / n for n in inside[package.name]]
    )
    photos, problems = package_photos(tmp_path)
    assert photos == [
        ("mate-backgrounds/Dune.jpg", tmp_path / "a/Dune.jpg"),
        ("lomiri-wallpapers-16.04/Bridge.jpg", tmp_path / "Bridge.jpg"),
    ]
    assert problems[0] == "package opencv-doc: no network" and "9 instead of 1.26.0-1" in "\n".join(problems)
