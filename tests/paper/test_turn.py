"""The turn vector: exact where G is linear, and measured against random directions."""

import numpy as np
import pytest

from scratchgan.paper.turn import (
    POSITIONS,
    along,
    choose_ends,
    describe,
    draw_figure,
    make_vector,
    measure_turn,
    verdict,
)
from tests.paper.labelled import LinearNetworks, PixelJudge

networks, judge = LinearNetworks(), PixelJudge()


def degrees(images):
    return judge.probabilities(images)["turn"]


def test_the_vector_goes_from_mean_to_mean():
    vector = make_vector(networks, (1, 2), (3, 4, 5))
    right = networks.latent([3, 4, 5]).mean(axis=0)
    np.testing.assert_allclose(
        vector.vector, right - networks.latent([1, 2]).mean(axis=0), rtol=1e-6
    )
    np.testing.assert_array_equal(vector.right, right)


def test_ends_are_the_furthest():
    values = np.array([3.0, -8.0, 9.0, 0.0, -20.0, 5.0, 1.0, 2.0, -1.0, 30.0])
    left, right = choose_ends(np.arange(100, 110), values)
    assert left == (104, 101, 108, 103)
    assert right == (109, 102, 105, 100)


def test_positions_are_even_and_the_middle_is_the_sample(rng):
    z, vector = rng.normal(size=(3, 4)), rng.normal(size=4)
    points = along(z, vector, scale=2.0)
    assert points.shape == (3, POSITIONS, 4)
    np.testing.assert_array_equal(points[:, 5], z.astype(np.float32))
    np.testing.assert_allclose(
        points[:, -1] - points[:, 0], [2 * vector] * 3, rtol=1e-5
    )
    steps = np.diff(points, axis=1)
    np.testing.assert_allclose(
        steps, np.broadcast_to(vector / 5, steps.shape), atol=1e-6
    )


def test_a_linear_network_turns_by_known_degrees():
    """Pixel 3 rises by 10 a unit of z_3: 40 degrees along 4 units, 4 a step."""
    vector = np.array([0, 0, 0, 4.0], np.float32)
    z = networks.latent(range(60))
    report = measure_turn(z, vector, 1.0, degrees, networks.images, seed=0)
    measured = report["vector"]
    np.testing.assert_allclose(np.diff(measured["mean"]), 4, atol=0.5)
    np.testing.assert_allclose(measured["per_step"], 4, atol=0.05)
    assert measured["monotone"]
    assert measured["decreases"] == 0
    assert measured["spearman"] == pytest.approx(1)
    assert measured["samples_rising"] == 1
    text = " ".join(verdict(report, "turn"))
    assert "degrees a step" in text
    assert "rises at each of 10 steps" in text
    assert "no clear effect" not in text


def test_random_directions_have_the_same_length():
    seen = []

    def draw(z):
        seen.append(z.reshape(-1, POSITIONS, 4))
        return networks.images(z)

    vector = np.array([0, 3.0, 0, 4.0], np.float32)
    measure_turn(networks.latent(range(3)), vector, 1.0, degrees, draw, seed=0)
    lengths = [np.linalg.norm(z[0, -1] - z[0, 0]) for z in seen]
    np.testing.assert_allclose(lengths, 5, rtol=1e-5)
    assert len({z[0, 0].tobytes() for z in seen}) == 6


def test_a_vector_that_turns_nothing():
    vector = np.array([4.0, 0, 0, 0], np.float32)
    z = networks.latent(range(60))
    report = measure_turn(z, vector, 1.0, degrees, networks.images, seed=0)
    assert report["vector"]["per_step"] == pytest.approx(0)
    assert not report["vector"]["monotone"]
    assert report["vector"]["spearman"] == 0
    assert "no clear effect" in verdict(report, "turn")[-1]


def test_a_fall_is_counted():
    values = np.array([[0.0, 1, 5, 4, 8], [0, 3, 5, 4, 6]])
    facts = describe(values)
    assert facts["mean"] == [0, 2, 5, 4, 7]
    assert facts["decreases"] == 1
    assert not facts["monotone"]
    assert facts["spearman"] == pytest.approx(0.9)
    assert facts["per_step"] == pytest.approx(1.6)
    assert facts["standard_error"][1] == pytest.approx(1.0)


def test_figure():
    images = np.arange(2 * 11 * 4, dtype=np.uint8).reshape(2, 11, 2, 2, 1)
    ends = (
        np.array([200, 210], np.uint8)[:, None, None, None]
        .repeat(4)
        .reshape(2, 2, 2, 1)
    )
    figure = draw_figure(images, ends)
    assert figure.shape == (round(3.3 * 72), 11 * 72, 3)
    assert (figure[4:68, 4:68] == 200).all()
    assert (figure[4:68, -68:-4] == 210).all()
    top = round(2.3 * 72) + 4
    tile = figure[top : top + 64, 7 * 72 + 4 : 7 * 72 + 68, 0]
    np.testing.assert_array_equal(tile[::32, ::32], images[1, 7, :, :, 0])
    frame = figure[round(1.3 * 72) + 2, 5 * 72 + 30]
    assert tuple(frame) == (220, 40, 40)
