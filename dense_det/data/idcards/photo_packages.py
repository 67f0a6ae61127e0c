"""Photographs inside Debian packages, told from the drawings beside them by their names."""

import fnmatch
from pathlib import Path

from dense_det.data.packages import fetch_packages, unpack_files

# package -> version and the names of its photographs; of stereo pairs and series one view
PACKAGES = {
    "lomiri-wallpapers-16.04": ("20.04.0-2", ("*.jpg",)),
    "mate-backgrounds": ("1.26.0-1", ("Aqua.jpg", "Blinds.jpg", "Dune.jpg", "FreshFlower.jpg", "Garden.jpg",
                                      "GreenMeadow.jpg", "LadyBird.jpg", "RainDrops.jpg", "Storm.jpg", "TwoWings.jpg",
                                      "Wood.jpg", "YellowFlower.jpg")),
    "opencv-doc": ("4.6.0+dfsg-12", ("aloeL.jpg", "apple.jpg", "baboon.jpg", "board.jpg", "box_in_scene.png",
                                     "building.jpg", "butterfly.jpg", "chicky_512.png", "ela_original.jpg",
                                     "fruits.jpg", "graf1.png", "home.jpg", "leuvenA.jpg", "orange.jpg",
                                     "rubberwhale1.png", "squirrel_cls.jpg", "stuff.jpg", "scenetext0?.jpg")),
}  # fmt: skip
_DRAWN = ("*umang*", "*analogpattern*", "*warty-final*")


def package_photos(folder) -> tuple[list[tuple[str, Path]], list[str]]:
    """(name, path) of the photographs of PACKAGES, unpacked under `folder`; and what is missing, with the reason."""
    folder = Path(folder)
    packages, missing = fetch_packages({name: version for name, (version, _) in PACKAGES.items()}, folder)
    problems = [f"package {name}: {why}" for name, why in sorted(missing.items())]
    photos = []
    for package in packages:
        if package.version != PACKAGES[package.name][0]:
            problems.append(f"package {package.name}: {package.version} instead of {PACKAGES[package.name][0]}")
        try:
            paths = unpack_files(package, folder / f"{package.name}_{package.version}", (".jpg", ".png"))
        except ValueError as error:
            problems.append(f"package {package.name}: {error}")
            continue
        found: dict[str, Path] = {}  # by name: a package may hold a picture twice, encoded anew
        for path in paths:
            wanted = any(fnmatch.fnmatch(path.name, pattern) for pattern in PACKAGES[package.name][1])
            if wanted and not any(fnmatch.fnmatch(path.name, pattern) for pattern in _DRAWN):
                found.setdefault(path.name, path)
        photos += [(f"{package.name}/{name}", path) for name, path in sorted(found.items())]
    return photos, problems
