"""Errors a user can act on; the command line prints each as one plain line.

Anything else that is raised is a bug and keeps its traceback.
"""


class ScratchGANError(Exception):
    """Something the user can mend; the message says what, where and how."""


class ConfigError(ScratchGANError):
    """Settings that do not fit together, such as a size the network cannot make."""


class OptionError(ConfigError):
    """An option that is unknown, out of range, or excludes another one.

    The command line reports it as wrong usage, with exit code 2.
    """


class DatasetError(ScratchGANError):
    """A dataset that is missing, damaged, or does not fit what was asked."""


class DownloadError(ScratchGANError):
    """A file that cannot be fetched: no server has it, or it is not the right one."""


class CheckpointError(ScratchGANError):
    """A run or checkpoint that is missing, damaged, or of another version."""


class DeviceError(ScratchGANError):
    """A device that was asked for and cannot be used."""


class NonFiniteError(ScratchGANError):
    """Training produced a value that is not a finite number."""


class OutputError(ScratchGANError):
    """A file that cannot be written: read-only folder, full disk."""
