"""One training step: an update of D and an update of G.

What both minimise is a setting, see `scratchgan.functional.gan_losses`. The paper's,
for logits a = D(x) and s the sigmoid (Radford et al. 2016; Goodfellow et al. 2014, the
non-saturating form)::

    L_D = mean[-log s(a_real)] + mean[-log(1 - s(a_fake))]
    L_G = mean[-log s(a_fake)]
"""

from collections.abc import Callable
from dataclasses import dataclass

from scratchgan.backend import Array
from scratchgan.errors import NonFiniteError
from scratchgan.functional.gan_losses import FAKE, GAN_LOSSES, REAL, GanLoss
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.optim.adam import Adam
from scratchgan.training.config import UPDATE_ORDERS, TrainConfig


@dataclass
class Gan:
    """Both networks and their optimisers."""

    generator: Generator
    discriminator: Discriminator
    adam_g: Adam
    adam_d: Adam


@dataclass(frozen=True)
class Batch:
    """What the networks see of one batch.

    Attributes
    ----------
    images : array of shape (N, C, H, W), float32
        In the range of G's output, [-1, 1] or [0, 1].
    labels : array of shape (N, K), float32, or None
        One-hot, for conditional networks.
    """

    images: Array
    labels: Array | None = None


@dataclass(frozen=True)
class StepSettings:
    """How a step is made.

    Attributes
    ----------
    update_order : {"pytorch", "tensorflow", "alternating"}
        ``"pytorch"``: D, then G on the same z through the updated D. ``"tensorflow"``:
        the same with a fresh z for G. ``"alternating"``: G on the first batch, then
        D on the second with a fresh z, as the authors' code does; the first batch
        gives G its size and labels only, so D learns from half of the images.
    loss : GanLoss
        What D and G minimise.
    check_finite : bool
        Raise as soon as a loss is not finite, before it reaches the weights. On a GPU
        every look at a loss waits for the device.
    """

    update_order: str = "pytorch"
    loss: GanLoss = GAN_LOSSES["bce"]
    check_finite: bool = True

    def __post_init__(self) -> None:
        if self.update_order not in UPDATE_ORDERS:
            raise ValueError(
                f"update_order is {self.update_order!r}, expected one of "
                f"{', '.join(UPDATE_ORDERS)}"
            )

    @classmethod
    def of(cls, config: TrainConfig, *, check_finite: bool = True) -> "StepSettings":
        """Return those of a run."""
        return cls(config.update_order, GAN_LOSSES[config.loss], check_finite)


@dataclass(frozen=True)
class StepLosses:
    """What a step measured, as scalars that still live on the device.

    Attributes
    ----------
    loss_d, loss_g : array of shape ()
        Before the respective update.
    p_real, p_fake : array of shape ()
        D's mean probability of being real, for real images and for fake ones; its mean
        output with a loss that knows no probability.
    """

    loss_d: Array
    loss_g: Array
    p_real: Array
    p_fake: Array


def train_step(
    gan: Gan,
    batches: list[Batch],
    draw_z: Callable[[int], Array],
    settings: StepSettings,
) -> StepLosses:
    """Make one step, a D update and a G update, in the order asked for.

    Parameters
    ----------
    gan : Gan
        Networks and optimisers, changed in place.
    batches : list of Batch
        One, or two for the alternating order.
    draw_z : callable
        Takes a count and returns z of shape (count, latent_dim) on the device.
    settings : StepSettings
        Order, loss, and whether losses are looked at.

    Raises
    ------
    NonFiniteError
        If losses are looked at and one is not finite.
    """
    if settings.update_order == "alternating":
        first, second = batches
        z = draw_z(len(first.images))  # (N, latent_dim)
        fake, fake_ctx = gan.generator.forward(z, first.labels)  # (N, C, H, W)
        loss_g = update_generator(gan, fake, fake_ctx, first.labels, settings)
        # G has learnt: these come from other weights and another z. Nothing goes back
        # through them into G, so no context is kept.
        fake = gan.generator(draw_z(len(second.images)), second.labels)
        loss_d, p_real, p_fake = update_discriminator(gan, second, fake, settings)
        return StepLosses(loss_d, loss_g, p_real, p_fake)

    (batch,) = batches
    z = draw_z(len(batch.images))  # (N, latent_dim)
    fake, fake_ctx = gan.generator.forward(z, batch.labels)  # (N, C, H, W)
    loss_d, p_real, p_fake = update_discriminator(gan, batch, fake, settings)
    # PyTorch's order goes back through the fakes that D has seen, by their own context.
    if settings.update_order == "tensorflow":
        fake, fake_ctx = gan.generator.forward(draw_z(len(fake)), batch.labels)
    loss_g = update_generator(gan, fake, fake_ctx, batch.labels, settings)
    return StepLosses(loss_d, loss_g, p_real, p_fake)


def update_discriminator(
    gan: Gan, batch: Batch, fake: Array, settings: StepSettings
) -> tuple[Array, Array, Array]:
    """Make D call real images real and fake ones fake; return (loss, p_real, p_fake).

    Real and fake go through D one after the other, because batch normalisation must
    take the statistics of each alone (authors' code); their gradients add up.
    """
    gan.adam_d.zero_grad()
    losses, scores = [], []
    for images, target in ((batch.images, REAL), (fake, FAKE)):
        logits, ctx = gan.discriminator.forward(images, batch.labels)  # (N, 1)
        loss, dlogits = settings.loss.discriminator(logits, target)
        refuse_loss(loss, "D", settings.check_finite)
        # Into D's weights and no further: the images are not to be changed.
        gan.discriminator.backward(dlogits, ctx, need_dx=False, keep_ctx=False)
        losses.append(loss)
        scores.append(settings.loss.score(logits))
    gan.adam_d.step()
    return losses[0] + losses[1], *scores


def update_generator(
    gan: Gan, fake: Array, fake_ctx: list, labels: Array | None, settings: StepSettings
) -> Array:
    """Make D call G's images real; return the loss.

    The gradient runs back through D, whose own parameters stay as they are, into the
    images and on into G.
    """
    logits, ctx = gan.discriminator.forward(fake, labels)  # (N, 1)
    loss, dlogits = settings.loss.generator(logits)
    refuse_loss(loss, "G", settings.check_finite)
    dfake = gan.discriminator.backward(
        dlogits, ctx, need_dparams=False, keep_ctx=False
    )  # (N, C, H, W)
    gan.adam_g.zero_grad()
    gan.generator.backward(dfake, fake_ctx, need_dx=False, keep_ctx=False)
    gan.adam_g.step()
    return loss


def refuse_loss(loss: Array, network: str, check: bool) -> None:
    """Raise NonFiniteError if ``check`` and the loss is not finite."""
    if check and not abs(float(loss)) < float("inf"):
        raise NonFiniteError(f"the loss of {network} is {float(loss)}")
