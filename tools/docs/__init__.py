"""Writes the reference pages in docs/reference from the argument specs, the defaults and the plugins' documentation."""
