"""Understanding a born-digital PDF page: what it draws -> (class, box) regions, by rules, without a network."""
