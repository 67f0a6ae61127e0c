import subprocess
import sys

import pytest

from dense_det import environment


def run(code: str, **variables) -> str:
    env = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


def load(code: str) -> str:
    """Code that loads environment.py alone as `m`, without the package and so without torch."""
    return (
        "import importlib.util as u, os; "
        f"s = u.spec_from_file_location('e', {environment.__file__!r}); "
        f"m = u.module_from_spec(s); s.loader.exec_module(m); {code}"
    )


def test_threads_wait_a_short_while_and_then_sleep_unless_the_user_decided():
    code = load("m.prepare_process(); print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'))")
    assert run(code) == run(code, OMP_WAIT_POLICY="PASSIVE") == "PASSIVE 4000"
    assert run(code, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE None"
    assert run(code, GOMP_SPINCOUNT="7") == "PASSIVE 7"


def test_a_process_may_stay_as_it_started():
    code = load("m.prepare_process(); print(os.environ.get('OMP_WAIT_POLICY'))")
    assert run(code, DENSE_DET_LEAVE_PROCESS="1") == "None"


def test_bfloat16_needs_a_unit_for_it(monkeypatch):
    monkeypatch.setattr(environment, "cpu_flags", lambda: frozenset({"avx2", "avx512f"}))
    assert not environment.cpu_has_bfloat16()
    monkeypatch.setattr(environment, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    assert environment.cpu_has_bfloat16()


def test_what_linux_says_of_the_cpu(monkeypatch):
    text = (
        "processor : 0\nmodel name\t: Some CPU @ 2.50GHz\nflags\t\t: fpu avx2\n\nprocessor : 1\nmodel name\t: Other\n"
    )
    monkeypatch.setattr("pathlib.Path.read_text", lambda _self: text)
    assert environment.cpu_name() == "Some CPU @ 2.50GHz (avx2)"
    assert environment.cpu_flags() == {"fpu", "avx2"}


def test_cpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {3, 7}, raising=False)
    assert environment.num_cpus() == 2
    monkeypatch.delattr("os.sched_getaffinity")
    assert environment.num_cpus() == 64
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert environment.num_cpus() == 1


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "lag"),
    [
        ("AuthenticAMD", "26", "avx2 avx512f", True),
        ("AuthenticAMD", "25", "avx2 avx512f", False),  # Zen 4: two halves one after the other, as fast as AVX2
        ("AuthenticAMD", "26", "avx2", False),
        ("AuthenticAMD", "", "avx2 avx512f", False),
        ("GenuineIntel", "26", "avx2 avx512f", False),
    ],
)
def test_whose_products_lag_behind(monkeypatch, vendor, family, flags, lag):
    text = f"vendor_id\t: {vendor}\ncpu family\t: {family}\nflags\t\t: {flags}\n"
    monkeypatch.setattr("pathlib.Path.read_text", lambda _self: text)
    assert environment.products_lag_behind_convolutions() is lag


def test_elsewhere_nothing_is_known_of_the_cpu(monkeypatch):
    def missing(_self):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert (environment.cpu_name(), environment.cpu_flags()) == ("arm64", frozenset())


def test_words_of_a_commit():
    assert environment.code_words("0123456789abcdef") == "commit 012345678"
    assert environment.code_words("0123456789abcdef-dirty") == "commit 012345678 with changes"
    assert environment.code_words(None) == ""


def test_the_version_is_a_commit_and_what_is_changed_of_the_code(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(environment, "__file__", str(tmp_path / "dense_det" / "environment.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "dense_det").mkdir()
    code, page = tmp_path / "dense_det" / "environment.py", tmp_path / "README.md"
    code.write_text("")
    page.write_text("")
    assert environment.code_version() is None
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "first")
    git("-c", "user.name=a", "-c", "user.email=a@b", "tag", "--annotate", "v1", "--message", "a name is no commit")
    page.write_text("a table")
    assert environment.code_version() == git("rev-parse", "HEAD")
    code.write_text("a = 1")
    assert environment.code_version() == git("rev-parse", "HEAD") + "-dirty"
