"""Signals as pictures: grey is zero, and the sign and the colour can be read off."""

import numpy as np

from convviz_widgets.render.signal import reach_of, signal_picture


def test_grey_is_zero_and_both_signs_reach_full_colour() -> None:
    signal = np.zeros((3, 2, 2))
    signal[0, 0, 0], signal[2, 1, 1] = 4.0, -4.0
    picture = signal_picture(signal)
    assert picture[0, 0].tolist() == [255, 128, 128]
    assert picture[1, 1].tolist() == [128, 128, 0]
    assert picture[0, 1].tolist() == [128, 128, 128]


def test_a_few_peaks_do_not_leave_the_rest_grey() -> None:
    signal = np.ones((3, 40, 40))
    signal[0, 0, 0] = 1e6
    assert reach_of(signal) == 1
    assert (signal_picture(signal)[1:] == 255).all()


def test_other_numbers_of_channels_are_grey_pictures() -> None:
    assert signal_picture(np.ones((1, 2, 2))).tolist() == [[[255] * 3] * 2] * 2
    assert signal_picture(np.array([1.0, 3.0]).reshape(2, 1, 1), reach=4).tolist() == [[[192] * 3]]


def test_nothing_is_grey() -> None:
    assert (signal_picture(np.zeros((3, 2, 2))) == 128).all()
    assert reach_of([[np.nan, 0.0]]) == 0
