"""Faults on purpose: what they do to images, messages and streams, campaigns of them, and how those are judged."""
