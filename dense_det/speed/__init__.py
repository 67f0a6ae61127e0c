"""How fast the whole is: what is compared, in turns, and the goals that it is measured by."""
