"""Asks a live platform whether it does what its catalogue says, and reports the answers."""
