"""One small service that can play any part of the platform, from the environment that the part is given."""
