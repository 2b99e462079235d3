"""How long work tells its caller how far it is, and what the user should know."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many: images, batches, steps or bytes."""

Note = Callable[[str], None]
"""Called with a line for the user."""
