"""The tests on every supported ansible-core and Python."""
