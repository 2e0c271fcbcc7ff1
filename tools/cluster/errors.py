"""The one error that the command line shows as a sentence instead of a traceback."""


class ClusterError(Exception):
    """Something that the user can act on: the message says what happened and the remedy."""
