from dense_det.suggest import no_folder, unknown


def test_near_names_come_first_and_few_names_are_all_listed():
    message = unknown("variant", "V-93-eSE", ["V-39-eSE", "V-57-eSE"])
    assert message.startswith("no variant named 'V-93-eSE'; did you mean 'V-39-eSE'")
    assert message.endswith("Known: V-39-eSE, V-57-eSE")


def test_case_does_not_hide_the_name_that_was_meant():
    assert "did you mean 'PeleeNet'?" in unknown("net", "PELEENET", ["PeleeNet", "VoVNet"])


def test_nothing_alike_and_many_names_stay_short():
    assert unknown("file", "zzz", [f"config_{i}" for i in range(100)]) == "no file named 'zzz'."


def test_names_need_not_be_strings():
    assert "did you mean '12'?" in unknown("id", 1, [12, 305])


def test_a_folder_that_is_not_there(tmp_path):
    (tmp_path / "snet_docpages").mkdir()
    (tmp_path / "snet_docpage.txt").touch()
    told = no_folder(tmp_path / "snet_docpag")
    assert told.startswith(f"no folder named '{tmp_path}/snet_docpag'; did you mean '{tmp_path}/snet_docpages'?")
    assert no_folder(tmp_path / "a" / "b") == f"no folder {tmp_path}/a/b: {tmp_path}/a is not there either"
