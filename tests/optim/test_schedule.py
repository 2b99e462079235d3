"""The learning rate over time."""

import pytest

from scratchgan.optim.schedule import decayed_lr


def test_authors_schedule_epoch_by_epoch():
    """2e-4; after epoch 100 minus 2e-6 an epoch, first cut after epoch 101, 0 at 200.

    An epoch's rate is asked for with the number of epochs completed before it.
    """
    for completed in range(101):
        assert decayed_lr(2e-4, completed, 100, 100) == 2e-4
    expected = 2e-4
    for completed in range(101, 201):
        expected -= 2e-6
        got = decayed_lr(2e-4, completed, 100, 100)
        assert got == pytest.approx(expected, abs=1e-12), completed
    assert decayed_lr(2e-4, 200, 100, 100) == 0
    assert decayed_lr(2e-4, 250, 100, 100) == 0


def test_schedule_without_decay_is_constant():
    assert {decayed_lr(5e-4, epoch, None, 0) for epoch in range(500)} == {5e-4}


def test_schedule_that_falls_from_the_first_step():
    rates = [decayed_lr(8.0, step, 0, 4) for step in range(6)]
    assert rates == [8, 6, 4, 2, 0, 0]
