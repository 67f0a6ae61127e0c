from dense_det.distillation.image_name import full_name, printable, reason_without_name, short_name
from dense_det.distillation.work_folder import Failure, InputImage

PAGE = InputImage(17, "/bank/smith.pdf", None, 2, "", 1, 1)
MEMBER = Failure(18, "/bank/a.tar", "smith/card.jpg", None, "")


def test_names_by_hand():
    assert (full_name(PAGE), short_name(PAGE)) == ("/bank/smith.pdf, page 3", "smith.pdf, page 3")
    assert (full_name(MEMBER), short_name(MEMBER)) == ("/bank/a.tar smith/card.jpg", "card.jpg")
    assert full_name(PAGE, hide=True) == short_name(PAGE, hide=True) == "image 17"
    assert full_name(Failure(None, "/bank/smith.pdf", None, None, ""), hide=True) == "a bad file"


def test_what_cannot_be_written_is_escaped():
    assert printable("a\nb\udcff\x00.jpg") == "a\\nb\\udcff\\x00.jpg"
    assert printable("Ünïcode 'x' \"y\" 文.jpg") == "Ünïcode 'x' \"y\" 文.jpg"


def test_a_reason_keeps_no_name():
    assert reason_without_name("cannot open /bank/smith.pdf", PAGE) == "cannot open image 17"
    assert reason_without_name("KeyError: 'card.jpg' of /bank/a.tar", MEMBER) == "KeyError: 'image 18' of image 18"
    odd = Failure(3, "/x/a'\n.jpg", None, None, "")
    assert reason_without_name(f"OSError: {odd.file_name!r}", odd).startswith("OSError: ")
    assert "a'" not in reason_without_name(f"OSError: {odd.file_name!r}", odd)
