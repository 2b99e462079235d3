"""Layers with forward and backward written by hand."""

from scratchgan.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from scratchgan.nn.batch_norm import BatchNorm1d, BatchNorm2d
from scratchgan.nn.conv import Conv2d, ConvTranspose2d
from scratchgan.nn.dropout import Dropout
from scratchgan.nn.fused.block import Block
from scratchgan.nn.layer import Layer, Parameter
from scratchgan.nn.linear import Linear
from scratchgan.nn.reshape import ConcatLabels, Flatten, Reshape
from scratchgan.nn.sequential import Sequential

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "Block",
    "ConcatLabels",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Parameter",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Tanh",
]
