"""A .deb made by hand: an ar archive of debian-binary, control.tar and data.tar."""

import io
import random
import subprocess
import tarfile

import pytest

from dense_det.data import packages
from dense_det.data.packages import fetch_packages, read_package, read_packages, unpack_files


def tar_of(files, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def ar_of(members):
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


@pytest.fixture
def write_deb(tmp_path):
    def write(name, version="1.0-1", files=None, folder=tmp_path):
        control = f"Package: {name}\nVersion: {version}\nDescription: a test\n more: of it\n".encode()
        path = folder / f"{name}_{version}_all.deb"
        path.write_bytes(
            ar_of(
                {
                    "debian-binary": b"2.0\n",
                    "control.tar.gz": tar_of({"./control": control}, "w:gz"),
                    "data.tar.xz": tar_of(
                        files or {"./usr/share/a.pdf": b"%PDF-1", "./usr/share/b.txt": b"no"}, "w:xz"
                    ),
                }
            )
        )
        return path

    return write


def test_name_and_version_are_the_control_files(write_deb):
    path = write_deb("r-cran-fox", "1:2.3-1").rename(write_deb("x").with_name("renamed.deb"))
    package = read_package(path)
    assert (package.name, package.version) == ("r-cran-fox", "1:2.3-1")


def test_only_pdfs_are_unpacked_and_those_there_are_kept(write_deb, tmp_path):
    package = read_package(write_deb("fox"))
    (pdf,) = unpack_files(package, tmp_path / "out")
    assert pdf == tmp_path / "out/usr/share/a.pdf" and pdf.read_bytes() == b"%PDF-1"
    before = pdf.stat().st_mtime_ns
    assert unpack_files(package, tmp_path / "out") == [pdf] and pdf.stat().st_mtime_ns == before


def test_a_path_that_leaves_the_folder_is_refused(write_deb, tmp_path):
    package = read_package(write_deb("fox", files={"../../evil.pdf": b"%PDF"}))
    with pytest.raises(ValueError, match="would leave"):
        unpack_files(package, tmp_path / "deep" / "out")
    assert not (tmp_path / "evil.pdf").exists()


@pytest.mark.parametrize("content", [b"", b"not an archive", b"!<arch>\n" + b"x" * 60])
def test_what_is_no_package_is_named_and_left_out(tmp_path, content):
    path = tmp_path / "bad.deb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="bad.deb"):
        read_package(path)
    assert read_packages(tmp_path) == {}


def test_a_package_cut_short(write_deb):
    path = write_deb("fox")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="cut short"):
        read_package(path)
    assert read_packages(path.parent) == {}, "so that it is fetched again"


def member_span(path, stem: str) -> tuple[int, int]:
    """Where the content of a .deb's member begins and ends."""
    for name, size, start in packages._ar_headers(path):
        if name.startswith(stem):
            return start, start + size
    raise AssertionError(stem)


def overwrite(path, start: int, content: bytes) -> None:
    old = path.read_bytes()
    path.write_bytes(old[:start] + content + old[start + len(content) :])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_package_with_changed_bytes_is_named(write_deb, tmp_path, share):
    noise = random.Random(0).randbytes(100_000)
    path = write_deb("fox", files={"./usr/share/a.pdf": noise, "./usr/share/b.pdf": noise[::-1]})
    package = read_package(path)
    start, end = member_span(path, "data.tar")
    overwrite(path, start + int(share * (end - start)), bytes(2000))
    with pytest.raises(ValueError, match="fox_1.0-1_all.deb is damaged: data.tar.xz"):
        unpack_files(package, tmp_path / "out")


@pytest.mark.parametrize("compression", ["xz", "gz"])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_a_control_archive_with_changed_bytes_is_named(tmp_path, compression, share):
    sums = random.Random(0).randbytes(100_000).hex().encode()
    files = {"./md5sums": sums, "./control": b"Package: fox\nVersion: 1\n"}
    path = tmp_path / "fox.deb"
    path.write_bytes(ar_of({f"control.tar.{compression}": tar_of(files, f"w:{compression}")}))
    start, end = member_span(path, "control.tar")
    overwrite(path, start + int(share * (end - start)), bytes(2000))
    # gzip goes on through some changes, and loses what comes behind them
    with pytest.raises(ValueError, match="fox.deb is damaged: control.tar|names no Package"):
        read_package(path)
    assert read_packages(tmp_path) == {}


def test_a_download_that_is_interrupted_leaves_nothing(write_deb, tmp_path, monkeypatch):
    def apt_get(command, cwd, **_options):
        path = write_deb("owl", "1", folder=cwd)
        path.write_bytes(path.read_bytes()[:-40])
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", apt_get)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/" + name)
    with pytest.raises(KeyboardInterrupt):
        fetch_packages({"owl": "1"}, tmp_path / "debs")
    assert list((tmp_path / "debs").iterdir()) == []


def test_the_preferred_version_is_taken(write_deb, tmp_path):
    write_deb("fox", "1.0-1")
    write_deb("fox", "2.0-1")
    assert read_packages(tmp_path)["fox"].version == "2.0-1"
    assert read_packages(tmp_path, prefer={"fox": "1.0-1"})["fox"].version == "1.0-1"


def test_fetch_takes_another_version_and_reports_the_missing(write_deb, tmp_path, monkeypatch):
    """One unknown name spoils apt-get's call for all, and one package has only a newer version."""
    calls = []

    def apt_get(names, folder):
        calls.append(names)
        if len(names) > 1 or names[0] not in ("fox=1.0-1", "dog"):
            return "E: Unable to locate"
        write_deb(names[0].split("=")[0], "1.0-1" if "=" in names[0] else "9", folder=folder)
        return ""

    monkeypatch.setattr(packages, "_download", apt_get)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/" + name)
    found, missing = fetch_packages({"fox": "1.0-1", "dog": "1.0-1", "owl": "1"}, tmp_path / "debs")
    assert [(p.name, p.version) for p in found] == [("dog", "9"), ("fox", "1.0-1")]
    assert missing == {"owl": "E: Unable to locate"}
    calls.clear()
    fetch_packages({"fox": "1.0-1"}, tmp_path / "debs")
    assert not calls


def test_without_apt_get_the_message_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    found, missing = fetch_packages({"fox": "1"}, tmp_path)
    assert not found and "folder of .deb files" in missing["fox"]


def test_a_machine_without_package_lists_gets_lists_of_its_own(write_deb, tmp_path, monkeypatch):
    calls = []

    def apt_get(command, cwd, **_options):
        calls.append(command[1:])
        if command[-1] == "update":
            return subprocess.CompletedProcess(command, 0, "", "")
        if "-o" not in command:
            return subprocess.CompletedProcess(command, 100, "", "E: Unable to locate package owl")
        write_deb("owl", "1", folder=cwd)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", apt_get)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/" + name)
    found, missing = fetch_packages({"owl": "1"}, tmp_path)
    lists = f"Dir::State::Lists={tmp_path / 'apt-lists'}"
    assert [p.name for p in found] == ["owl"] and not missing
    assert calls == [["download", "owl=1"], ["-o", lists, "update"], ["-o", lists, "download", "owl=1"]]
