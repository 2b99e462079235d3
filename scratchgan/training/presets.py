"""The eight presets: which network, which optimiser settings, how long.

Sources: [P] Radford et al. 2016; [A] its authors' code, Newmu/dcgan_code; [PT] the
PyTorch DCGAN example and tutorial. Where nobody published a value, the comment says
"free" and the choice is ours. What a preset does not name, such as most learning
rates, is the default of `TrainConfig`.
"""

from scratchgan.models.architecture import NetworkConfig
from scratchgan.training.config import TrainConfig

# Batch normalisation as the authors wrote it [A]: eps 1e-8 on the biased variance.
_AUTHORS_NORM = {"norm_eps": 1e-8}

_PRESETS = (
    TrainConfig(
        preset="dcgan64",
        description="PyTorch's DCGAN example: 64x64, kernels 4x4, width 64",
        network=NetworkConfig(),
        batch_size=128,
        epochs=25,
    ),
    TrainConfig(
        preset="paper64",
        description="the paper's faces network and the authors' schedule: 64x64, "
        "kernels 5x5, width 128",
        network=NetworkConfig(
            latent="uniform",
            kernel_size=5,
            widths=(128, 256, 512, 1024),
            ends="linear",
            **_AUTHORS_NORM,
        ),
        update_order="alternating",
        batch_size=128,
        epochs=25,
        l2=1e-5,
        grid_rows=14,
        grid_columns=14,
    ),
    TrainConfig(
        preset="imagenet32",
        description="the authors' ImageNet network, whose discriminator gives the "
        "CIFAR-10 features: 32x32, kernels 3x3",
        network=NetworkConfig(
            height=32,
            width=32,
            latent_dim=256,
            latent="uniform",
            kernel_size=3,
            widths=(128, 128, 256, 256, 512, 512),
            strides=(1, 2, 1, 2, 1, 2),
            ends="linear",
            **_AUTHORS_NORM,
        ),
        # free: the training script of this model was not published; order, eps and l2
        # are those of faces [A].
        update_order="alternating",
        batch_size=128,
        epochs=30,
        l2=1e-5,
        grid_rows=20,
        grid_columns=20,
    ),
    TrainConfig(
        preset="svhn32",
        description="the authors' house-number network: 32x32, kernels 5x5, width 64",
        network=NetworkConfig(
            height=32,
            width=32,
            latent="normal",
            kernel_size=5,
            widths=(64, 128, 256),
            strides=(2, 2, 2),
            ends="linear",
            **_AUTHORS_NORM,
        ),
        # free: as for imagenet32; batch, epochs, lr: from the released model's name.
        update_order="alternating",
        batch_size=64,
        epochs=200,
        lr=5e-4,
        l2=1e-5,
        grid_rows=10,
        grid_columns=10,
    ),
    TrainConfig(
        preset="mnist28c",
        description="the paper's class-conditional digits: 28x28 grey, kernels 5x5",
        network=NetworkConfig(
            height=28,
            width=28,
            channels=1,
            classes=10,
            latent="uniform",
            kernel_size=5,
            widths=(64, 128),
            strides=(2, 2),
            ends="linear",
            generator_hidden=(1024,),
            discriminator_hidden=(1024,),
            output="sigmoid",
            norm_affine=False,
            **_AUTHORS_NORM,
        ),
        dataset="mnist",
        update_order="alternating",
        batch_size=128,
        epochs=200,
        l2=2.5e-5,
        decay_start=100,
        decay_epochs=100,
        grid_rows=10,
        grid_columns=20,
    ),
    TrainConfig(
        preset="tf28",
        description="TensorFlow-Examples' DCGAN notebook: 28x28 grey, softmax over two "
        "logits, SAME padding",
        network=NetworkConfig(
            height=28,
            width=28,
            channels=1,
            latent="uniform",
            kernel_size=5,
            extra_padding="after",
            widths=(64, 128),
            strides=(2, 2),
            ends="linear",
            discriminator_hidden=(1024,),
            logits=2,
            bias=True,
            norm_eps=1e-3,
            norm_momentum=0.01,
            norm_on_input=True,
            weight_init="glorot",
            gamma_std=0.0,
        ),
        dataset="mnist",
        update_order="tensorflow",
        loss="softmax",
        batch_size=128,
        epochs=None,
        steps=10_000,
        lr=2e-3,
        grid_rows=6,
        grid_columns=6,
    ),
    TrainConfig(
        preset="mlp28",
        description="the fully connected GAN before DCGAN: 28x28 grey, two dense "
        "hidden layers",
        # free: the paper does not give the sizes of its baseline (section 8.1).
        network=NetworkConfig(
            height=28,
            width=28,
            channels=1,
            latent="uniform",
            widths=(),
            strides=(),
            ends="linear",
            generator_hidden=(1024, 1024),
            discriminator_hidden=(1024, 1024),
            output="sigmoid",
            **_AUTHORS_NORM,
        ),
        dataset="mnist",
        update_order="alternating",
        batch_size=128,
        epochs=200,
        l2=2.5e-5,
        decay_start=100,
        decay_epochs=100,
        grid_rows=10,
        grid_columns=20,
    ),
    TrainConfig(
        preset="quick32",
        description="a small network for a laptop: 32x32, kernels 4x4, width 32",
        network=NetworkConfig(
            height=32, width=32, widths=(32, 64, 128), strides=(2, 2, 2)
        ),
        batch_size=64,
        epochs=9,
        # free: this small network learns in minutes what 2e-4 takes twice as long for.
        lr=5e-4,
        sample_every=250,
        checkpoint_every=500,
    ),
)

PRESETS = {preset.preset: preset for preset in _PRESETS}
DEFAULT_PRESET = "dcgan64"
