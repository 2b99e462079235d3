"""From options to settings: a preset with what the user gave in its place.

Options have the names of the command line, ``batch_size`` for ``--batch-size``.
Standard library only, so that the command line starts quickly.
"""

import dataclasses
import difflib
import math
from numbers import Integral, Real
from typing import Any

from scratchgan.errors import ConfigError, OptionError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.training.config import LOSSES, TrainConfig
from scratchgan.training.presets import PRESETS

NETWORK_OPTIONS = (
    *("latent_dim", "latent", "kernel_size", "conv_impl"),
    *("size", "base_channels", "conditional"),
)
CHANGEABLE_ON_RESUME = (
    *("steps", "epochs", "max_minutes", "device", "dataset"),
    *("tf32", "cuda_graph", "gpu_memory"),
    *("log_every", "sample_every", "checkpoint_every", "keep_last", "keep_every"),
)
NOT_OPTIONS = ("preset", "description", "network", "dataset_sha256")
"""Fields of `TrainConfig` that follow from the others."""

CONV_IMPLS = ("fast", "matmul", "strips", "reference")
"""Of convolution, see `scratchgan.functional.conv.primitives`."""

LEAST = {
    **dict.fromkeys(("steps", "base_channels", "latent_dim", "kernel_size"), 1),
    **dict.fromkeys(("log_every", "sample_every", "checkpoint_every", "keep_last"), 1),
    **dict.fromkeys(("decay_epochs", "grid_rows", "grid_columns"), 1),
    **dict.fromkeys(("seed", "decay_start", "keep_every"), 0),
    "batch_size": 2,
}
"""Of the options that are whole numbers."""
RANGES = (
    (("epochs", "max_minutes", "lr", "adam_eps"), math.ulp(0.0), math.inf, "above 0"),
    (("l2",), 0, math.inf, "of at least 0"),
    (("beta1", "beta2"), 0, 1, "from 0 to below 1"),
)
"""Of those that are any number: lowest allowed, first not allowed, in words."""
SWITCHES = ("tf32", "cuda_graph", "conditional")


def find_preset(name: str) -> TrainConfig:
    """Return the preset of a name.

    Raises
    ------
    OptionError
        If there is none.
    """
    if name not in PRESETS:
        raise OptionError(f"no preset {name!r}; there is {', '.join(PRESETS)}")
    return PRESETS[name]


def choose_settings(config: TrainConfig, options: dict[str, Any]) -> TrainConfig:
    """Return the settings with the options in their place.

    Parameters
    ----------
    config : TrainConfig
        A preset, or the settings of a run.
    options : dict
        By name: fields of `TrainConfig`, ``latent_dim``, ``latent``, ``kernel_size``
        and ``conv_impl`` of the network, and

        - ``size``: pixels, S or (height, width);
        - ``base_channels``: maps of the layer next to the image; the others keep
          their proportion;
        - ``conditional``: whether both networks are given the labels.

    Raises
    ------
    OptionError
        If an option is unknown, out of its range, or excludes another one.
    ConfigError
        If the settings do not fit together.
    """
    options = {name: check_option(name, value) for name, value in options.items()}
    if "steps" in options and "epochs" in options:
        raise OptionError("give --steps or --epochs, not both")
    network = _choose_network(config.network, options)
    changes = {n: v for n, v in options.items() if n not in NETWORK_OPTIONS}
    if "epochs" in options:
        changes["steps"] = None
    elif "steps" in options:
        changes["epochs"] = None
    return dataclasses.replace(config, network=network, **changes)


def refuse_fixed(options: dict[str, Any]) -> None:
    """Raise OptionError for options that are fixed once a run has begun."""
    fixed = sorted(set(options) - set(CHANGEABLE_ON_RESUME))
    if fixed:
        flags = ", ".join("--" + name.replace("_", "-") for name in fixed)
        raise OptionError(
            f"{flags} cannot change when a run is resumed; start a new run instead"
        )


def _choose_network(network: NetworkConfig, options: dict[str, Any]) -> NetworkConfig:
    changes = {name: options[name] for name in NETWORK_OPTIONS if name in options}
    if "size" in changes:
        changes["height"], changes["width"] = changes.pop("size")
    if "base_channels" in changes:
        if not network.widths:
            raise ConfigError("--base-channels: this preset has no convolutions")
        base, first = changes.pop("base_channels"), network.widths[0]
        changes["widths"] = tuple(
            max(1, round(width * base / first)) for width in network.widths
        )
    if "loss" in options:  # an unknown one is refused with the other settings
        changes["logits"] = LOSSES.get(options["loss"], network.logits)
    if "conditional" in changes:
        # The number of classes comes from the data; 10 stands for it until then.
        conditional = changes.pop("conditional")
        changes["classes"] = (network.classes or 10) if conditional else 0
    return dataclasses.replace(network, **changes)


def check_option(name: str, value: Any) -> Any:
    """Return an option's value as it is kept in JSON.

    Raises
    ------
    OptionError
        If there is no such option, or the value is not in its range.
    """
    if name in LEAST:
        if isinstance(value, Integral) and value >= LEAST[name]:
            return int(value)
        raise OptionError(
            f"{name} is {value!r}, expected a whole number of at least {LEAST[name]}"
        )
    if name == "size":
        return _checked_size(value)
    for names, low, high, words in RANGES:
        if name in names:
            if isinstance(value, Real) and low <= value < high:
                return float(value)
            raise OptionError(f"{name} is {value!r}, expected a number {words}")
    if name in SWITCHES:
        if isinstance(value, bool):
            return value
        raise OptionError(f"{name} is {value!r}, expected True or False")
    if name == "conv_impl" and value not in CONV_IMPLS:
        words = ", ".join(CONV_IMPLS)
        raise OptionError(f"conv_impl is {value!r}, expected one of {words}")
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    known = fields - set(NOT_OPTIONS) | set(NETWORK_OPTIONS)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise OptionError(f"there is no option {name!r}{hint}")
    if not isinstance(value, str):
        raise OptionError(f"{name} is {value!r}, expected text")
    return value


def _checked_size(value: Any) -> tuple[int, int]:
    size = (value, value) if isinstance(value, Integral) else value
    if (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, Integral) and side >= 1 for side in size)
    ):
        return int(size[0]), int(size[1])
    raise OptionError(f"size is {value!r}, expected pixels as 64 or (height, width)")
