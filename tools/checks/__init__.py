"""Runs the project's checks, stage by stage, and sums them up."""
