"""The losses of the game between D and G, each under its name.

Each looks at the logits a = D(x) and returns (loss, gradient with respect to a). A new
one is a class below, with its name in `GAN_LOSSES` and in `scratchgan.training.config`.
"""

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.losses import (
    bce_with_logits,
    expect_logits,
    mean_real_probability,
    softmax_cross_entropy,
)

FAKE, REAL = 0, 1


class GanLoss:
    """Base of the losses: what D minimises, and what G does.

    A subclass defines ``discriminator``; ``generator`` and ``score`` where they differ.
    Its methods raise ValueError if an image has another number of logits than expected.
    """

    def discriminator(self, logits: Array, target: int) -> tuple[Array, Array]:
        """Return (loss, dlogits) of D on images that are all `REAL` or all `FAKE`.

        Parameters
        ----------
        logits : array of shape (N, 1), or (N, 2)
            D's output.
        target : {FAKE, REAL}
            What D should say: 0 or 1.

        Returns
        -------
        loss : array of shape ()
            Mean over the batch, kept on the device. D minimises the sum of that on
            real and that on fake images.
        dlogits : array of the shape of logits
            Gradient of the mean.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract")

    def generator(self, logits: Array) -> tuple[Array, Array]:
        """Return (loss, dlogits) of G, from D's logits of its images.

        G wants D to call them real: D's loss with the other target, which is steep
        where D is sure that they are fake (Goodfellow et al. 2014, section 3).
        """
        return self.discriminator(logits, REAL)

    def score(self, logits: Array) -> Array:
        """Return what the log has as ``p_real`` or ``p_fake``: the mean logit."""
        return logits.mean()


class BinaryCrossEntropy(GanLoss):
    """The paper's, for one logit a, with s the sigmoid.

    D: mean[-log s(a)] on real images, mean[-log(1 - s(a))] on fakes. G: mean[-log s(a)]
    on fakes. Source: Goodfellow et al. 2014; Radford et al. 2016, authors' code.
    """

    def discriminator(self, logits: Array, target: int) -> tuple[Array, Array]:
        """Return (loss, dlogits), the gradient being (s(a) - target) / N."""
        expect_logits("bce", logits, 1)
        return bce_with_logits(logits, target)

    def score(self, logits: Array) -> Array:
        """Return D's mean probability of being real."""
        return mean_real_probability(logits)


class Softmax(GanLoss):
    """For two logits, fake and real, with p their softmax: mean[-log p_target].

    Source: TensorFlow-Examples' DCGAN notebook.
    """

    def discriminator(self, logits: Array, target: int) -> tuple[Array, Array]:
        """Return (loss, dlogits), the gradient being (p - onehot) / N."""
        expect_logits("softmax", logits, 2)
        return softmax_cross_entropy(logits, target)

    def score(self, logits: Array) -> Array:
        """Return D's mean probability of being real."""
        return mean_real_probability(logits)


class LeastSquares(GanLoss):
    """Half the squared distance of one logit from its target, mean[(a - target)²] / 2.

    D's output should be 1 on real and 0 on fake images, and G wants 1 on its own. A
    fake far on the right side of D's border is pulled towards it as well. Source: Mao
    et al. 2017, arXiv 1611.04076, equation 9.
    """

    def discriminator(self, logits: Array, target: int) -> tuple[Array, Array]:
        """Return (loss, dlogits), the gradient being (a - target) / N."""
        expect_logits("least-squares", logits, 1)
        error = logits - target
        return (error * error).mean() / 2, error / len(logits)


class Hinge(GanLoss):
    """D learns from the images that are within its margin or on the wrong side only.

    D: mean[max(0, 1 - a)] on real images, mean[max(0, 1 + a)] on fakes. G: mean[-a].
    Source: Lim and Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957.
    """

    def discriminator(self, logits: Array, target: int) -> tuple[Array, Array]:
        """Return (loss, dlogits), the gradient being -1 / N or 1 / N, or 0."""
        expect_logits("hinge", logits, 1)
        xp = get_array_module(logits)
        sign = 1 if target == REAL else -1
        short = xp.maximum(1 - sign * logits, 0)  # of the margin
        return short.mean(), (short > 0).astype(logits.dtype) * (-sign / len(logits))

    def generator(self, logits: Array) -> tuple[Array, Array]:
        """Return (loss, dlogits), the gradient being -1 / N wherever a is."""
        expect_logits("hinge", logits, 1)
        xp = get_array_module(logits)
        return -logits.mean(), xp.ones_like(logits) * (-1 / len(logits))


GAN_LOSSES: dict[str, GanLoss] = {
    "bce": BinaryCrossEntropy(),
    "softmax": Softmax(),
    "least-squares": LeastSquares(),
    "hinge": Hinge(),
}
