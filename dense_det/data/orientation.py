"""How an image is held, as its EXIF data say."""

from PIL import ExifTags, Image


def orientation(image: Image.Image) -> int:
    """EXIF's number, 1 (upright) to 8, of an image that PIL has opened. Damaged EXIF data do not harm the pixels: it is
    taken as upright, as Detectron2 does; asked again, Pillow says so, too.
    """
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # its parsers raise anything
        return 1
