"""A detector on a folder full of images: tables, pictures and crops of what it finds."""
