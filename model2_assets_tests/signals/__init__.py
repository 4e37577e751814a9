"""Commands that a signal asks to end, at each of their stages."""
