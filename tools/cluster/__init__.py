"""Provides a Kubernetes cluster to work against: embedded (default), kind, or one that exists already."""
