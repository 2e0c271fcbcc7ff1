"""Backup, restore and restore drill of the platform's stores, run as Jobs beside them."""
