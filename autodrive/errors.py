"""The exceptions that users see: one base class, messages that say what was wrong, where, and what to do."""

from __future__ import annotations


class AutodriveError(Exception):
    """Base of every error that the command line shows as one line, without a traceback."""


class ConfigError(AutodriveError):
    """A file that the user wrote (rig, parameters, town, manifest) is invalid."""


class InputError(AutodriveError):
    """Data that came in at run time (image, odometry, message, bag) is invalid."""


class EngineError(AutodriveError):
    """A network file is missing, corrupted, or does not match its manifest or this machine."""


class EnvironmentProblem(AutodriveError):
    """Something that this machine lacks or holds (library, port, shared memory, graphics)."""


class NoTaskError(InputError):
    """A hall offers nothing for a task of the wanted kind; another seed will."""
