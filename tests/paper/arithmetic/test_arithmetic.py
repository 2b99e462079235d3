"""Arithmetic: exact where G is linear, and counted against its controls."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.paper.arithmetic import arithmetic
from scratchgan.paper.arithmetic.arithmetic import (
    EXEMPLARS,
    Term,
    best,
    describe,
    draw_candidates,
    make_control,
    make_result,
    make_term,
    neighbours,
    parse_seeds,
    score,
    target_of,
    verdict,
)
from scratchgan.paper.arithmetic.figures import draw_figure, draw_sheet
from scratchgan.paper.combining import combine, combine_pixels
from scratchgan.paper.judges.conditions import meets, parse_conditions, probability
from tests.paper.labelled import LinearNetworks, PixelJudge

networks, judge = LinearNetworks(), PixelJudge()
draw = networks.images


@pytest.fixture(scope="module")
def candidates():
    return draw_candidates(networks, judge, seed=10, count=200, draw=draw)


@pytest.fixture(scope="module")
def terms(candidates):
    return [
        make_term(text, networks, judge, candidates, draw)
        for text in arithmetic.CONCEPTS["smile"]
    ]


def test_pixels_and_z_agree_where_g_is_linear(rng):
    z = rng.normal(size=(3, 3, 4)).astype(np.float32)
    with_z = draw(combine(*z)[None])[0].astype(int)
    with_pixels = combine_pixels(*(draw(part) for part in z))
    assert abs(with_z - with_pixels).max() <= 2  # images are rounded, too


def test_combining_is_the_definition(rng):
    a, b, c = rng.normal(size=(3, 3, 5))
    y = [sum(a[:, i]) / 3 - sum(b[:, i]) / 3 + sum(c[:, i]) / 3 for i in range(5)]
    np.testing.assert_allclose(combine(a, b, c), y, rtol=1e-5)
    white, black = (
        np.full((1, 1, 1, 1), 255, np.uint8),
        np.zeros((1, 1, 1, 1), np.uint8),
    )
    assert combine_pixels(white, black, white).item() == 255
    assert combine_pixels(black, white, black).item() == 0


def test_candidates_are_consecutive_seeds(candidates):
    assert list(candidates.seeds[[0, -1]]) == [10, 209]
    np.testing.assert_array_equal(candidates.z[3], networks.latent([13])[0])
    np.testing.assert_array_equal(candidates.images[3], draw(candidates.z[3:4])[0])


def test_exemplars_are_the_best_three(candidates, terms):
    for term in terms:
        likely = probability(term.conditions, candidates.judged, judge)
        chosen = np.array(term.seeds) - 10
        assert likely[chosen].min() >= np.sort(likely)[-EXEMPLARS]
        np.testing.assert_array_equal(term.z, networks.latent(term.seeds))
        np.testing.assert_array_equal(term.images, draw(term.z))


def test_of_equal_candidates_the_lowest_seeds(candidates):
    class Undecided(PixelJudge):
        def probabilities(self, images):
            return dict.fromkeys(self.names, np.full(len(images), 0.5))

    same = draw_candidates(networks, Undecided(), 10, 20, draw)
    conditions = parse_conditions("smile=1", judge)
    assert list(best(conditions, same, judge, 3)) == [0, 1, 2]


def test_seeds_need_no_judge(candidates):
    term = make_term("7, 8,500", networks, None, candidates, draw)
    assert term.seeds == (7, 8, 500)
    assert term.conditions == ()
    with pytest.raises(ConfigError, match="conditions need a judge"):
        make_term("smile=1", networks, None, candidates, draw)


def test_what_are_seeds():
    assert parse_seeds("1,2,3") == (1, 2, 3)
    for text in ("smile=1", "1,-2", "", "1,,2", "²"):
        assert parse_seeds(text) == ()
    with pytest.raises(ConfigError, match="at most 18 digits"):
        parse_seeds("9" * 19)


@pytest.mark.parametrize(
    ("concept", "expected"),
    [
        (arithmetic.CONCEPTS["smile"], "smile=1,sex=1"),
        (arithmetic.CONCEPTS["glasses"], "glasses=1,sex=0"),
        (("turn>9", "turn<-9", "turn<-9,smile=0"), "turn>9,smile=0"),
    ],
)
def test_the_target_is_c_with_what_a_has_and_b_has_not(concept, expected):
    parts = [parse_conditions(text, judge) for text in concept]
    assert ",".join(map(str, target_of(*parts))) == expected
    assert target_of(parts[0], (), parts[2]) == ()


def test_nine_tiles(terms):
    y = combine(*(term.z for term in terms))
    z = neighbours(y, seed=3)
    np.testing.assert_array_equal(z[4], y)
    away = np.delete(z, 4, axis=0) - y
    assert (abs(away) <= 0.25 + 1e-6).all()
    assert (away.std(axis=1) > 0).all()
    np.testing.assert_array_equal(make_result(terms, 3, draw)[4], draw(y[None])[0])
    assert not np.array_equal(neighbours(y, seed=4), z)


def test_noise_is_uniform_to_a_quarter():
    away = neighbours(np.zeros(20_000, np.float32), seed=0)[0]
    np.testing.assert_allclose(away.std(), 0.5 / np.sqrt(12), rtol=0.02)
    assert 0.249 < abs(away).max() <= 0.25


def test_score_of_a_linear_network(candidates, terms):
    """Where G is linear the arithmetic is exact, with z and with pixels alike."""
    target = parse_conditions("smile=1,sex=1", judge)
    report = score(terms, target, candidates, judge, draw, triples=50, seed=0)
    assert report["arithmetic"]["fraction"] > 0.9
    assert abs(report["arithmetic"]["met"] - report["pixels"]["met"]) <= 2
    assert report["mean_c"]["met"] == 0  # C does not smile, ...
    like_c = terms[2].conditions
    again = score(terms, like_c, candidates, judge, draw, triples=50, seed=0)
    assert again["mean_c"]["met"] == 50  # ... but is all that C is
    expected = meets(target, candidates.judged, judge).sum()
    assert report["chance"]["met"] == expected
    assert report["chance"]["of"] == 200
    for pool in report["pools"]:
        assert pool["candidates"] == pool["showing"] <= arithmetic.POOL
    assert "no clear effect" in verdict(report, target)[-1]


def test_overlays_are_no_success(candidates, terms):
    class SeesOverlays(PixelJudge):
        """All of them are, but samples of G are not."""

        def __init__(self):
            self.calls = 0

        def single(self, images):
            self.calls += 1
            return np.full(len(images), 0.0 if self.calls == 2 else 1.0)

    target = parse_conditions("smile=1,sex=1", judge)
    report = score(terms, target, candidates, SeesOverlays(), draw, triples=50, seed=0)
    assert report["pixels"]["fraction"] == 0
    assert report["pixels"]["attributes_only"]["fraction"] > 0.9
    assert "the arithmetic works" in verdict(report, target)[-1]


def test_a_concept_that_nothing_shows(candidates):
    """The best there are are taken."""
    texts = ("turn>500", "turn<0", "smile=0")
    terms = [make_term(t, networks, judge, candidates, draw) for t in texts]
    target = target_of(*(term.conditions for term in terms))
    report = score(terms, target, candidates, judge, draw, triples=10, seed=0)
    assert report["pools"][0] == {"candidates": 6, "showing": 0}
    assert report["arithmetic"]["met"] == 0


def test_score_depends_on_the_seed_alone(candidates, terms):
    target = parse_conditions("turn>9", judge)
    reports = [
        score(terms, target, candidates, judge, draw, triples=40, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert reports[0] == reports[1] != reports[2]


def test_what_is_reported(terms):
    target = parse_conditions("smile=1", judge)
    result = make_result(terms, 0, draw)
    facts = describe(terms, target, result, judge)
    assert facts["a"]["seeds"] == list(terms[0].seeds)
    assert facts["result"]["turn"] == float(result[4, 1, 1, 0]) - 128
    assert facts["nine_tiles"]["of"] == 9
    assert "result" not in describe(terms, (), result, None)


def test_figure_holds_every_tile(terms):
    """Tiles are found in it, enlarged, at their places."""
    result = make_result(terms, 0, draw)
    control = make_control(terms, draw)
    figure = draw_figure(terms, result, control)
    tops, margin = round(0.4 * 72) + 4, round(0.3 * 72) + 4
    for row in range(3):
        tile = figure[tops + 72 * row : tops + 72 * row + 64, margin : margin + 64, 0]
        np.testing.assert_array_equal(tile[::32, ::32], terms[0].images[row, :, :, 0])
    top, left = round(2.8 * 72) + 4, round(6.3 * 72) + 4
    np.testing.assert_array_equal(
        figure[top + 16 : top + 64 : 32, left + 72 + 16 : left + 72 + 64 : 32, 0],
        result[5, :, :, 0],
    )
    centre = figure[top : top + 64, left : left + 64, 0]
    np.testing.assert_array_equal(centre[16::32, 16::32], result[4, :, :, 0])


def test_control_is_of_means_and_pixels(terms):
    control = make_control(terms, draw)
    for i, term in enumerate(terms):
        np.testing.assert_array_equal(
            control.of_mean_z[i], draw(term.z.mean(axis=0)[None])[0]
        )
        exact = term.images.astype(float).mean(axis=0)
        assert abs(control.pixel_means[i] - exact).max() <= 0.5 + 1e-4
    images = [term.images for term in terms]
    np.testing.assert_array_equal(control.pixels, combine_pixels(*images))


def test_figure_of_more_exemplars(terms):
    """As many as were named."""
    many = Term("", (), (1,) * 5, np.zeros((5, 4)), np.zeros((5, 2, 2, 1), np.uint8))
    result = make_result(terms, 0, draw)
    usual = draw_figure(terms, result, make_control(terms, draw))
    longer = [many, *terms[1:]]
    figure = draw_figure(longer, result, make_control(longer, draw))
    assert len(figure) == len(usual) + 144


def test_sheet(candidates, terms):
    sheet = draw_sheet(terms, candidates, judge)
    again = draw_sheet(terms, candidates, judge)
    np.testing.assert_array_equal(sheet, again)
    term = make_term("1,2,3", networks, judge, candidates, draw)
    assert draw_sheet([term] * 3, candidates, judge).ndim == 3
