"""Minutes by hand."""

from dense_det.distillation import table_file


def test_the_table_s_file_with_its_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(table_file, "cpu_name", lambda: "a Zen")
    monkeypatch.setattr(table_file.os, "cpu_count", lambda: 4)
    seconds = {
        "prepare-1": 6.0,
        "prepare-2": 12.0,
        "teacher": 90.0,
        "round-1-plan-work": 30.0,
        "round-2-run-work": 60.0,
    }
    students = {"labels-alone-seed-0": 60.0, "round-1-teacher-plan-seed-0": 120.0}
    table_file.write_table(tmp_path / "table.md", "cards", "| a |", seconds | students, 2)
    text = (tmp_path / "table.md").read_text()
    words = "0.3 for data, 1.5 for the teacher, 1.5 for labels, 1.5 for each of 2 students, 2 at a time"
    assert text.startswith(f"# cards\n\n| a |\n\nMinutes: {words}. a Zen, 4 cores.\n") and "- teacher: 1.5 min" in text
