"""Minutes by hand."""

from dense_det.distillation import table_file


def test_the_table_s_file_with_its_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(table_file, "cpu_name", lambda: "a Zen")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))  # the machine may have others
    seconds = {
        "prepare-1": 6.0,
        "prepare-2": 12.0,
        "teacher": 90.0,
        "round-1-plan-work": 30.0,
        "round-2-run-work": 60.0,
    }
    students = {"labels-alone-seed0": 60.0, "round-1-run-with-votes-seed12": 120.0}
    times = table_file.time_words(seconds | students, 8)
    table_file.write_table(tmp_path / "table.md", "cards", "| a |", seconds | students, times)
    text = (tmp_path / "table.md").read_text()
    words = "0.3 for data, 1.5 for the teacher, 1.5 for labels, 1.5 for each of 2 student(s), 2 at a time"
    assert (
        text.startswith(f"# cards\n\n| a |\n\nMinutes: {words}. Written on a Zen, 4 cores.\n")
        and "- teacher: 1.5 min" in text
    )


def test_no_steps_need_no_words():
    assert table_file.time_words({}, 2) == ""


def test_what_was_killed_once_has_no_time():
    assert "Minutes: 1.0 for the teacher, not known for 3 step(s) that were killed once. W" in table_file.time_words(
        {"teacher": 60.0}, 2, 3
    )
