"""The canvas covers what it should, and curves go where they should."""

import numpy as np
import pytest

from scratchgan.synthetic.canvas import Canvas, ellipse, ribbon, smooth


def test_coverage_is_the_area_of_a_shape():
    canvas = Canvas(16)
    square = np.array([(0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5)])
    cover = canvas.coverage(square)
    assert (cover[5:7, 5:11] == 1).all()
    assert cover[:3].max() == 0
    assert cover.sum() == pytest.approx(32, rel=0.15)
    # Nothing of it is left for the next shape.
    assert canvas.coverage(square + 10).max() == 0
    assert (canvas.coverage(square) == cover).all()


def test_blur_keeps_the_area_and_softens_the_edge():
    canvas = Canvas(32)
    square = np.array([(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)])
    sharp, soft = canvas.coverage(square), canvas.coverage(square, blur=0.05)
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.05)
    assert np.abs(np.diff(soft, axis=1)).max() < 0.5 < np.diff(sharp, axis=1).max()


def test_paint_blends_and_darken_takes_light():
    canvas = Canvas(16)
    half = np.full((16, 16), 0.5, np.float32)
    canvas.paint(half, np.array((1.0, 0.4, 0.0)))
    assert canvas.pixels[:, 0, 0] == pytest.approx([0.5, 0.2, 0.0])
    canvas.darken(half, 0.2)
    assert (canvas.pixels[:2, 0, 0] < (0.5, 0.2)).all()
    assert canvas.to_uint8().shape == (16, 16, 3)


def test_smooth_meets_its_control_points():
    points = [(0.0, 0.0), (1.0, 2.0), (3.0, 1.0)]
    assert smooth(points, 9)[[0, 4, 8]] == pytest.approx(np.array(points))


def test_ribbon_has_its_width_on_both_sides():
    line = np.array([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)])
    polygon = ribbon(line, np.array((0.1, 0.2, 0.3)))
    assert np.abs(polygon[:, 1]) == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.2, 0.1])


def test_ellipse_lies_on_its_curve():
    polygon = ellipse(0.5, 0.4, 0.2, 0.1, 12)
    x, y = ((polygon - (0.5, 0.4)) / (0.2, 0.1)).T
    assert polygon.shape == (12, 2)
    assert x * x + y * y == pytest.approx(np.ones(12))
