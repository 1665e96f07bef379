"""Carrying out what was understood: memory of the scene, behaviours, and the executive that runs them in order."""
