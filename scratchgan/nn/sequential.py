"""Layers one after another."""

from scratchgan.backend import Array
from scratchgan.nn.layer import Layer


class Contexts(list):
    """The contexts of layers one after another."""

    def shrink(self) -> None:
        """Free what backward can make again, for the time until then.

        A layer's context that has such arrays offers a method of this name.
        """
        for ctx in self:
            if hasattr(ctx, "shrink"):
                ctx.shrink()


class Sequential(Layer):
    """Layers one after another: y = f_k(... f_2(f_1(x))).

    Backward is the chain rule read from the end: each layer turns the gradient with
    respect to its output into the one with respect to its input. The ctx is the list
    of the layers' contexts.

    Parameters
    ----------
    *unnamed : Layer
        Refused, with a message that says how to name them.
    **layers : Layer
        In order of computation. Each has a name, because the names become parts of
        parameter names: ``up1.conv.weight`` in a checkpoint or a message says what a
        number would not, and stays what it is when a layer is put in between.

    Raises
    ------
    TypeError
        If layers have no names, or something is not a layer.

    Examples
    --------
    >>> from scratchgan.nn import Linear, Sequential, Tanh
    >>> network = Sequential(project=Linear(2, 3), act=Tanh())
    >>> list(network.parameters())
    ['project.weight']
    """

    takes_labels = True

    def __init__(self, *unnamed: Layer, **layers: Layer) -> None:
        if unnamed:
            raise TypeError(
                f"Sequential: {len(unnamed)} layers without a name, expected a name "
                "for each, as in Sequential(conv=Conv2d(...), act=LeakyReLU())"
            )
        for name, layer in layers.items():
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: {name} is {layer!r}, expected a Layer")
        self.layers = layers

    def __call__(self, x: Array, labels: Array | None = None) -> Array:
        """Return y alone: each layer's output is gone when the next has read it."""
        for layer in self.layers.values():
            x = layer(x, labels) if layer.takes_labels else layer(x)
        return x

    def children(self) -> dict[str, Layer]:
        """Return the layers by name."""
        return self.layers

    def forward(self, x: Array, labels: Array | None = None) -> tuple[Array, Contexts]:
        """Run all layers; ``labels`` go to those that take them.

        Raises
        ------
        ValueError
            If a layer needs labels and there are none.
        """
        contexts = Contexts()
        for layer in self.layers.values():
            x, ctx = (
                layer.forward(x, labels) if layer.takes_labels else layer.forward(x)
            )
            contexts.append(ctx)
        return x, contexts

    def backward(
        self,
        dy: Array,
        ctx: Contexts,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
        keep_ctx: bool = True,
    ) -> Array | None:
        """Run all layers backward; only the first may skip its input gradient.

        With ``keep_ctx=False`` each layer's context is dropped from the list once it
        was used, so that its arrays make room for the gradients of the layers below.
        """
        layers = list(self.layers.values())
        for position in reversed(range(len(layers))):
            dy = layers[position].backward(
                dy,
                ctx[position],
                need_dx=need_dx or position > 0,
                need_dparams=need_dparams,
            )
            if not keep_ctx:
                ctx[position] = None
        return dy if need_dx else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.layers)})"
